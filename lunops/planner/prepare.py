"""Find everything that is wrong with a playbook before any connection is opened: every task filled in for every head.

What a run will learn (registered results, set facts, the facts of heads) is not known yet: whatever needs it is left
to the run. All errors are told in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lunops.errors import InputError, InventoryError, LunopsError, NotYetKnownError, PlaybookError, TemplateError
from lunops.inventory import Inventory
from lunops.model import HeadPlan, Host, Json, Plan, Task
from lunops.modules import MODULES, Context
from lunops.modules.base import Files
from lunops.modules.facts import FACT_NAMES
from lunops.names import Dataset
from lunops.near import hint
from lunops.planner.expand import Wanted, elements, loop, one, unique
from lunops.planner.task import make_task
from lunops.planner.variables import Learnt, PlayVariables, Variables, names_of_play
from lunops.playbook.model import Node, Play, Playbook, TaskSpec
from lunops.playbook.walk import numbers, tasks_of
from lunops.render import Expressions, Filter, Templates, Unknown
from lunops.together import raise_all

VarsReader = Callable[[str, str], Mapping[str, Json]]  # path, where it is named → what stands in it


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A playbook that was found sound, and whom it is for."""

    playbook: Playbook
    heads: tuple[Host, ...]  # of any play, in the inventory's order
    hosts: tuple[tuple[Host, ...], ...]  # of each play
    variables: tuple[PlayVariables, ...]  # of each play
    expressions: Expressions
    plan: Plan  # what can be told before the run: the items of tasks that wait for nothing that a run learns

    def heads_of(self, number: int) -> tuple[Host, ...]:
        """Return the heads of a play."""
        return self.hosts[number]

    def variables_of(self, number: int) -> PlayVariables:
        """Return the variables of a play."""
        return self.variables[number]


def prepare(
    playbook: Playbook,
    inventory: Inventory,
    *,
    templates: Templates,
    files: Files | None = None,
    limit: Sequence[str] | None = None,
    extra: Mapping[str, Json] | None = None,
    said: Mapping[str, Json] | None = None,
    read_vars: VarsReader | None = None,
    run: str = "",
) -> Prepared:
    """Return the playbook with its heads; raises `InputError` with every error.

    `limit`: the names of the heads that may take part. `said`: names that every task sees.
    """
    return _Preparation(
        playbook,
        inventory,
        templates=templates,
        files=files,
        limit=limit,
        extra=extra or {},
        said={"ansible_check_mode": False, "ansible_diff_mode": False, **(said or {})},
        read_vars=read_vars,
        run=run,
    ).done()


class _Preparation:
    def __init__(
        self,
        playbook: Playbook,
        inventory: Inventory,
        *,
        templates: Templates,
        files: Files | None,
        limit: Sequence[str] | None,
        extra: Mapping[str, Json],
        said: Mapping[str, Json],
        read_vars: VarsReader | None,
        run: str,
    ) -> None:
        self._playbook = playbook
        self._inventory = inventory
        self._templates = templates
        self._files = files
        self._limit = limit
        self._extra = extra
        self._said = said
        self._read_vars = read_vars
        self._expressions = Expressions(filters_of(inventory))
        self._run = run
        self._numbers = numbers(playbook)
        self._tasks: dict[str, list[Task]] = {}
        self._errors: list[LunopsError] = []
        self._does_something = False  # a task has an item, or may have one
        self._loops = False

    def done(self) -> Prepared:
        """Return what was prepared, or raise what is wrong."""
        plays = self._playbook.plays
        named = [self._named(play) for play in plays]
        hosts = [tuple(host for host in each if self._limit is None or host.name in self._limit) for each in named]
        self._refuse_empty(named, hosts)
        unknown = {name: Unknown(name) for name in _learnt(plays)}
        learnt = Learnt(said=unknown, facts={name: Unknown(name) for name in FACT_NAMES} if _gathers(plays) else {})
        chosen = {host.name: host for each in hosts for host in each}
        variables = Variables(
            self._inventory,
            self._extra,
            self._expressions,
            said=self._said,
            learnt=dict.fromkeys((*self._inventory.hosts, *chosen), learnt),
        )
        given = []
        for number, (play, mine) in enumerate(zip(plays, hosts, strict=True)):
            of_play = self._variables_of(play, number, mine, variables)
            given.append(of_play)
            for host in mine:
                for node in (*play.tasks, *play.handlers):
                    self._node(node, host, of_play, mine, variables, {})
        raise_all(self._errors)
        if self._loops and not self._does_something:
            raise PlaybookError(
                "there is nothing to do: no task has an item on " + ", ".join(chosen),
                where=self._playbook.path,
                fix="see the loops, their `when`, and --limit",
            )
        in_order = [name for name in self._inventory.hosts if name in chosen]
        return Prepared(
            playbook=self._playbook,
            heads=tuple(chosen[name] for name in (*in_order, *(name for name in chosen if name not in in_order))),
            hosts=tuple(hosts),
            variables=tuple(given),
            expressions=self._expressions,
            plan=self._plan(chosen),
        )

    def _plan(self, chosen: Mapping[str, Host]) -> Plan:
        return Plan(
            name=self._playbook.name,
            heads=tuple(
                HeadPlan(host=host, tasks=tuple(self._tasks[name]))
                for name, host in self._inventory.hosts.items()
                if name in chosen and self._tasks.get(name)
            ),
        )

    # who

    def _named(self, play: Play) -> tuple[Host, ...]:
        """Return the heads that a play is for, whatever the limit."""
        try:
            pattern = play.hosts
            if "{{" in pattern:
                seen = {**play.variables, **self._said, **self._extra}
                pattern = str(self._expressions.value(pattern, seen, play.place("hosts")))
            return self._inventory.select(pattern)
        except LunopsError as error:
            self._errors.append(error.at(play.place("hosts")) if isinstance(error, InventoryError) else error)
            return ()

    def _refuse_empty(self, named: Sequence[Sequence[Host]], hosts: Sequence[Sequence[Host]]) -> None:
        raise_all(self._errors)
        if not any(hosts):
            limit = ",".join(self._limit or ())
            raise InventoryError(
                f"the limit {limit!r} leaves none of the heads that {self._playbook.path} is for",
                where=self._inventory.path,
                fix=hint(limit, (host.name for each in named for host in each), "heads"),
            )

    # with what

    def _variables_of(self, play: Play, number: int, hosts: Sequence[Host], variables: Variables) -> PlayVariables:
        where = {name: play.place(f"vars.{name}") for name in play.variables}
        own = PlayVariables(play=play, number=number, where=where)
        if not play.vars_files:
            return own
        read: dict[str, Mapping[str, Json]] = {}
        files: dict[str, dict[str, Json]] = {}
        for host in hosts:
            for file in play.vars_files:
                try:
                    path = str(self._expressions.value(file.path, variables.of(host, own), file.where))
                    if path not in read:
                        assert self._read_vars is not None
                        read[path] = self._read_vars(path, file.where)
                    files.setdefault(host.name, {}).update(read[path])
                except LunopsError as error:
                    self._errors.append(error)
        return replace(own, files=files)

    # what

    def _node(
        self,
        node: Node,
        host: Host,
        play: PlayVariables,
        mine: Sequence[Host],
        variables: Variables,
        around: Mapping[str, Json],
    ) -> None:
        """Fill in the tasks of a node; `around` is what the looped blocks around it bring."""
        if isinstance(node, TaskSpec):
            self._task(node, host, play, mine, variables, around)
            return
        turns: Sequence[Mapping[str, Json]] = [{}]
        if node.loop is not None:
            self._loops = True
            seen = {**_names_of_play(play, host, mine), **around}
            try:
                found = elements(node.loop, variables.of(host, play, None, seen), self._expressions, node.where)
                turns = [more for _element, more in found]
            except NotYetKnownError:
                unknown = (node.loop.item, node.loop.index, "ansible_loop")
                turns = [{name: Unknown(name) for name in unknown if name}]
            except InputError as error:
                self._errors.append(error)
                return
        for more in turns:
            for each in (*node.tasks, *node.rescue, *node.always):
                self._node(each, host, play, mine, variables, {**around, **more})

    def _task(
        self,
        spec: TaskSpec,
        host: Host,
        play: PlayVariables,
        mine: Sequence[Host],
        variables: Variables,
        around: Mapping[str, Json],
    ) -> None:
        """Fill in a task for a head as far as it can be told yet."""
        play_names = {**_names_of_play(play, host, mine), **around}

        def view(more: Mapping[str, Json]) -> Mapping[str, Json]:
            return variables.of(host, play, spec, {**play_names, **more})

        def contexts(delegate: str) -> Context:
            return Context(
                host=self._host(delegate, host, spec),
                templates=self._templates,
                run=self._run,
                hosts=self._inventory.hosts,
                files=self._files,
            )

        self._loops = self._loops or spec.loop is not None
        try:
            if spec.module == "meta":
                for condition in spec.when:
                    self._expressions.condition(condition, view({}), spec.place("when"))
                return
            every = loop(spec, view, self._expressions)
        except NotYetKnownError:
            self._does_something = True  # it is for the run to say
            return
        except InputError as error:
            self._errors.append(error)
            return
        wanted: list[Wanted] = []
        for number, (element, more) in enumerate(every):
            try:
                wanted.append(one(spec, view, contexts, self._expressions, number, element, more))
            except NotYetKnownError:
                self._does_something = True
                return
            except InputError as error:
                self._errors.append(error)
        try:
            wanted = unique(wanted, spec, host.name)
        except InputError as error:
            self._errors.append(error)
        todo = [each for each in wanted if each.item is not None]
        self._does_something = self._does_something or bool(todo) or not MODULES[spec.module].on_head
        self._conditions(spec, todo[:1], view)
        if todo and MODULES[spec.module].on_head:
            self._tasks.setdefault(host.name, []).append(self._made(spec, todo, play.number))

    def _made(self, spec: TaskSpec, todo: Sequence[Wanted], play: int) -> Task:
        """Return the task of the plan; a timeout that is an expression is for the run to say."""
        timeout_s = spec.timeout_s if isinstance(spec.timeout_s, int | float) else None
        items = [each.item for each in todo if each.item is not None]
        number = self._numbers.get(spec.id, 0)
        return make_task(number, spec.name, spec.module, items, timeout_s, play, run=self._run)

    def _conditions(
        self, spec: TaskSpec, wanted: Sequence[Wanted], view: Callable[[Mapping[str, Json]], Mapping[str, Json]]
    ) -> None:
        """Try the conditions that are asked afterwards: what they name besides the result has to be there."""
        result = {spec.register: Unknown(spec.register)} if spec.register else {}
        conditions = {
            "changed_when": spec.changed_when or (),
            "failed_when": spec.failed_when or (),
            "until": spec.until.conditions if spec.until else (),
        }
        if spec.module == "assert":
            that = spec.args.get("that")
            every = that if isinstance(that, list) else [that]
            conditions["args.that"] = tuple(each for each in every if isinstance(each, str))
        for each in wanted:
            for key, texts in conditions.items():
                more = {**each.more, **result}
                if key == "until" and not spec.register:
                    more["result"] = Unknown("result")
                for text in texts:
                    try:
                        self._expressions.condition(text, view(more), spec.place(key))
                    except NotYetKnownError:
                        continue
                    except TemplateError as error:
                        self._errors.append(error)

    def _host(self, delegate: str, host: Host, spec: TaskSpec) -> Host:
        if not delegate or delegate == host.name:
            return host
        try:
            return self._inventory.host(delegate)
        except InventoryError as error:
            raise InventoryError(error.what, where=spec.place("delegate_to"), fix=error.fix) from None


def _names_of_play(play: PlayVariables, host: Host, mine: Sequence[Host]) -> dict[str, Json]:
    def names() -> list[str]:
        return [each.name for each in mine]

    return names_of_play(play.play.name, host, names, names, names)


def filters_of(inventory: Inventory) -> Mapping[str, Filter]:
    """Return the filters that look something up in the inventory."""

    def head(name: object) -> str:
        """Return the name of the head that holds a dataset's pool; an unknown pool is an error."""
        return inventory.host_for_pool(Dataset.parse(str(name).partition("@")[0]).pool).name

    def pools(name: object) -> list[str]:
        """Return the pools of another head; one that is unknown, or has none named, is an error."""
        host = inventory.hosts.get(str(name))
        if host is None:
            fix = hint(str(name), inventory.hosts, "heads")
            raise InventoryError(f"no head is named {str(name)!r}", where=inventory.path, fix=fix)
        if not host.pools:
            fix = "set the host variable `pools`"
            raise InventoryError(f"the pools of {host.name} are not known", where=inventory.path, fix=fix)
        return list(host.pools)

    return {"head": head, "pools": pools}


def _learnt(plays: Sequence[Play]) -> set[str]:
    """Return the names that a run sets: whatever they hold before, the run may have another value for them."""
    names = {"ansible_failed_task", "ansible_failed_result"}
    for play in plays:
        for spec in tasks_of(play):
            if spec.register:
                names.add(spec.register)
            if spec.module == "set_fact":
                names |= set(spec.args)
    return names


def _gathers(plays: Sequence[Play]) -> bool:
    return any(play.gather_facts or any(spec.module in ("facts", "setup") for spec in tasks_of(play)) for play in plays)

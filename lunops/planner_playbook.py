"""Turn a playbook into a plan: who does it, with which variables, and every loop unrolled into one task's items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lunops.errors import InputError, InventoryError, LunopsError, PlaybookError, TemplateError
from lunops.inventory import Inventory
from lunops.model import HeadPlan, Host, Item, Json, Plan, Task
from lunops.modules import MODULES, Context
from lunops.names import Dataset
from lunops.near import hint
from lunops.planner_task import make_task
from lunops.playbook import UNDO, Play, Playbook, TaskSpec
from lunops.render import Expressions, Templates
from lunops.together import raise_all


def plan_playbook(
    playbook: Playbook,
    inventory: Inventory,
    limit: str | None = None,
    extra_vars: Mapping[str, Json] | None = None,
    *,
    templates: Templates,
    run: str = "",
) -> Plan:
    """Return the plan of a playbook for those of its heads that `limit` (a pattern) leaves.

    Variables, the weakest first: the inventory's, the play's, `extra_vars`; only the play's may hold expressions,
    and see those above them. Raises `InputError` with every error; nothing to do at all is one.
    """
    limited = {host.name for host in inventory.select(limit)} if limit is not None else set(inventory.hosts)
    planner = _Planner(inventory, extra_vars or {}, templates, run)
    tasks: dict[str, list[Task]] = {}
    number = 0
    chosen = False
    for place, play in enumerate(playbook.plays):
        hosts = [host for host in planner.hosts_of(play) if host.name in limited]
        chosen = chosen or bool(hosts)
        for host in hosts:
            tasks.setdefault(host.name, []).extend(planner.tasks(play, place, host, number))
        number += len(play.tasks)
    raise_all(planner.errors)
    if not chosen:
        raise InventoryError(
            f"the limit {limit!r} leaves none of the heads that {playbook.path} is for",
            where=inventory.path,
            fix=hint(limit or "", (host.name for play in playbook.plays for host in planner.hosts_of(play)), "heads"),
        )
    heads = [HeadPlan(host=host, tasks=tuple(tasks[name])) for name, host in inventory.hosts.items() if tasks.get(name)]
    if not heads:
        raise PlaybookError(
            "there is nothing to do: no task has an item on " + ", ".join(tasks),
            where=playbook.path,
            fix="see the loops, their `when`, and --limit",
        )
    undone = frozenset(place for place, play in enumerate(playbook.plays) if play.on_failure == UNDO)
    return Plan(name=playbook.name, heads=tuple(heads), all_or_nothing=undone)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """An item, and what it was made from."""

    item: Item
    where: str


class _Planner:
    """Fills in one playbook, noting errors as they are found."""

    def __init__(self, inventory: Inventory, extra_vars: Mapping[str, Json], templates: Templates, run: str) -> None:
        self.errors: list[LunopsError] = []
        self._inventory = inventory
        self._extra_vars = extra_vars
        self._templates = templates
        self._run = run
        self._expressions = Expressions({"head": self._head_of, "pools": self._pools_of})

    def hosts_of(self, play: Play) -> tuple[Host, ...]:
        """Return the heads that a play is for, whatever the limit."""
        try:
            return self._inventory.select(play.hosts)
        except InventoryError as error:
            self.errors.append(error.at(f"{play.where}, hosts"))
            return ()

    def tasks(self, play: Play, place: int, host: Host, before: int) -> Iterator[Task]:
        """Give the tasks of the play at a place of the playbook on one head; `before` tasks come earlier in it."""
        try:
            variables = self._variables(play, host)
        except InputError as error:
            self.errors.append(error)
            return
        context = Context(host=host, templates=self._templates, run=self._run, hosts=self._inventory.hosts)
        for number, spec in enumerate(play.tasks, before + 1):
            found = list(self._items(spec, variables, context))
            self._refuse_twice(spec, found, context.host)
            if found:
                items = [each.item for each in found]
                yield make_task(number, spec.name, spec.module, items, spec.timeout_s, place, run=self._run)

    def _head_of(self, name: object) -> str:
        """Filter `head`: return the name of the head that holds a dataset's pool; an unknown pool is an error."""
        return self._inventory.host_for_pool(Dataset.parse(str(name).partition("@")[0]).pool).name

    def _pools_of(self, name: object) -> list[str]:
        """Filter `pools`: return the pools of another head; one that is unknown, or has none named, is an error."""
        host = self._inventory.hosts.get(str(name))
        if host is None:
            fix = hint(str(name), self._inventory.hosts, "heads")
            raise InventoryError(f"no head is named {str(name)!r}", where=self._inventory.path, fix=fix)
        if not host.pools:
            fix = "set the host variable `pools`"
            raise InventoryError(f"the pools of {host.name} are not known", where=self._inventory.path, fix=fix)
        return list(host.pools)

    def _variables(self, play: Play, host: Host) -> dict[str, Json]:
        variables = {**host.variables, "groups": {name: list(each) for name, each in self._inventory.groups.items()}}
        for name, source in play.variables.items():
            if name not in self._extra_vars:
                where = f"{play.where}, vars.{name}"
                variables[name] = self._expressions.value(source, {**variables, **self._extra_vars}, where)
        return {**variables, **self._extra_vars}

    def _items(self, spec: TaskSpec, variables: Mapping[str, Json], context: Context) -> Iterator[_Found]:
        """Give the items of a task on one head: those of its loop for which its `when` holds."""
        try:
            elements = self._loop(spec, variables)
        except InputError as error:
            self.errors.append(error)
            return
        for place, element in enumerate(elements):
            mine = variables if spec.loop is None else {**variables, "item": element}
            at = "" if spec.loop is None else f", item {place} of the loop"
            try:
                if spec.when and not self._expressions.condition(spec.when, mine, spec.place("when") + at):
                    continue
                args = {
                    name: self._expressions.value(value, mine, spec.place(f"args.{name}") + at)
                    for name, value in spec.args.items()
                }
                where = spec.place("args") + at
                yield _Found(item=self._item(spec, args, context, where), where=where)
            except InputError as error:
                self.errors.append(error)

    def _loop(self, spec: TaskSpec, variables: Mapping[str, Json]) -> list[Json]:
        if spec.loop is None:
            return [None]
        try:
            found = self._expressions.value(spec.loop, variables, spec.place("loop"))
        except TemplateError as error:
            if isinstance(spec.loop, str) and error.what.startswith("there is no variable"):
                near = f"{error.fix} " if error.fix.startswith("did") else ""
                fix = near + "give it with -e @FILE or -e NAME=VALUE"
                raise TemplateError(error.what, where=error.where, fix=fix) from error
            raise
        if not isinstance(found, list):
            raise PlaybookError(
                f"the loop gives {found!r:.80}, which is no list", where=spec.place("loop"), fix="loop over a list"
            )
        return found

    def _item(self, spec: TaskSpec, args: Json, context: Context, where: str) -> Item:
        try:
            return MODULES[spec.module].item(args, context, where)
        except InputError as error:
            raise (error if error.where.startswith(where) else error.at(where)) from None

    def _refuse_twice(self, spec: TaskSpec, found: list[_Found], host: Host) -> None:
        """Note an error where two items of one task are for the same dataset, or the same target."""
        for what in ("dataset", "wwn"):
            first: dict[str, str] = {}
            for each in found:
                name = each.item.key if what == "dataset" else str(each.item.args.get("wwn", id(each)))
                if (other := first.setdefault(name, each.where)) != each.where:
                    self.errors.append(
                        PlaybookError(
                            f"{spec.module} is to do the {what} {name!r} twice on {host.name}",
                            where=each.where,
                            fix=f"it is given before: {other}",
                        )
                    )

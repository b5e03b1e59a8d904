"""Do one task for one head: fill it in, run it as often as it asks for, judge what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lunops.errors import InputError, LunopsError, NotYetKnownError
from lunops.model import Host, ItemResult, Json, Status, TaskResult, Times, status_of
from lunops.modules import MODULES, Context
from lunops.planner.expand import Wanted, expand, unique
from lunops.planner.in_check import in_check
from lunops.planner.results import condition, is_enough, judged, registered, skipped
from lunops.planner.task import make_task
from lunops.play import actions
from lunops.play.run_state import PlayState, RunState
from lunops.play.state import Done, Effects, Head, Made
from lunops.playbook.model import KEEP, TaskSpec

_CHECK_FIX = (
    "give that task `check_mode: false` if it only looks, or guard this one with `when: not ansible_check_mode`"
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a task is done for a head, its keywords asked."""

    check: bool
    no_log: bool
    host: Host  # the head itself, as root or not
    pause_s: float  # between the elements of its loop


class TaskOnHead:
    """One task, for one head."""

    def __init__(
        self, run: RunState, play: PlayState, spec: TaskSpec, head: Head, *, name: str, is_handler: bool, asked_s: float
    ) -> None:
        self._run = run
        self._play = play
        self._spec = spec
        self._head = head
        self._name = name
        self._is_handler = is_handler
        self._asked_s = asked_s  # when its turn was, were there forks without end
        self._module = MODULES[spec.module]
        self._template_s = 0.0
        self._attempts: dict[int, int] = {}  # place in the loop → how often it was tried
        self._times: list[Times] = []
        self._trouble: TaskResult | None = None  # a result of the head whose error is the whole task's
        self._made: list[Made] = []
        self._diff: bool | None = None

    def do(self) -> Done:
        """Do it. Errors of the head and of the playbook are in the result."""
        begun_s = self._asked_s
        self._times.append(Times(wait_s=self._run.now_s() - begun_s))
        try:
            way = self._way()
        except LunopsError as error:
            return self._failed(error, begun_s, no_log=bool(self._spec.no_log))
        said: dict[str, Json] = {}
        try:
            pairs = self._on_head(way) if self._module.on_head else self._here(way, said)
        except LunopsError as error:
            return self._failed(error, begun_s, no_log=way.no_log)
        return self._done(way, pairs, said, begun_s)

    # what the task sees

    def _view(self, more: Mapping[str, Json]) -> Mapping[str, Json]:
        return self._run.view(self._play, self._head, self._spec, more)

    def _flag(self, key: str, default: bool = False) -> bool:
        flag = getattr(self._spec, key)
        return condition(flag, default, lambda: self._view({}), self._run.expressions, self._spec.place(key))

    def _way(self) -> Way:
        host = self._head.host
        if self._spec.become is not None:
            host = replace(host, become=self._flag("become"))
        if self._spec.become_user:
            user = self._run.expressions.value(self._spec.become_user, self._view({}), self._spec.place("become_user"))
            host = replace(host, become_user="" if user == "root" else str(user))
        check = self._flag("check_mode", self._run.options.check)
        if self._spec.diff is not None:
            self._diff = self._flag("diff")
        pause_s = 0.0
        if self._spec.loop is not None and self._spec.loop.pause_s and not check:
            pause_s = self._number(self._spec.loop.pause_s, "loop_control.pause")
        return Way(check=check, no_log=self._flag("no_log"), host=host, pause_s=pause_s)

    def _between(self, way: Way, is_first: bool) -> None:
        """Wait as long as the loop says before each element but the first."""
        if way.pause_s and not is_first:
            self._run.cancelled.wait(way.pause_s)

    def _contexts(self, way: Way) -> Callable[[str], Context]:
        return lambda delegate: self._run.context(self._target(way, delegate))

    def _target(self, way: Way, delegate: str) -> Host:
        """Return the head that does it."""
        if not delegate or delegate == self._head.name:
            return way.host
        host = self._run.host(delegate, self._spec.place("delegate_to"))
        become = way.host.become if self._spec.become is not None else host.become
        user = way.host.become_user if self._spec.become_user else host.become_user
        return replace(host, become=become, become_user=user)

    # doing it here

    def _here(self, way: Way, said: dict[str, Json]) -> list[tuple[Wanted, ItemResult]]:
        """Do the elements one by one, each seeing what those before it have set."""
        pairs = []

        def view(more: Mapping[str, Json]) -> Mapping[str, Json]:
            return self._view({**said, **more})

        for wanted in expand(self._spec, view, self._contexts(way), self._run.expressions):
            if wanted.item is None:
                pairs.append((wanted, skipped(wanted)))
                continue
            self._between(way, not any(pair[0].item for pair in pairs))
            action = actions.Action(
                spec=self._spec,
                wanted=wanted,
                variables=view(wanted.more),
                expressions=self._run.expressions,
                verbosity=self._run.options.verbosity,
                check=way.check,
                cancelled=self._run.cancelled,
                ask=self._run.options.ask,
            )
            result, set_facts = self._tried(wanted, lambda action=action: actions.perform(action))  # type: ignore[misc]
            said |= set_facts
            pairs.append((wanted, result))
        return pairs

    def _tried(
        self, wanted: Wanted, perform: Callable[[], tuple[ItemResult, Mapping[str, Json]]]
    ) -> tuple[ItemResult, Mapping[str, Json]]:
        """Do one element as often as `until` asks for."""
        most = self._most()
        attempt = 0
        while True:
            attempt += 1
            result, said = perform()
            result = self._judged(wanted, result, attempt)
            if self._spec.until is None or self._is_enough(wanted, result, attempt):
                break
            if attempt >= most or self._run.is_over():
                result = _exhausted(result)
                attempt -= 1
                break
            self._again(attempt, most)
        self._attempts[wanted.place] = attempt
        return result, said

    # doing it on heads

    def _on_head(self, way: Way) -> list[tuple[Wanted, ItemResult]]:
        begun = time.monotonic()
        wanted = unique(
            list(expand(self._spec, self._view, self._contexts(way), self._run.expressions)),
            self._spec,
            self._head.name,
        )
        self._template_s += time.monotonic() - begun
        results: dict[int, ItemResult] = {each.place: skipped(each) for each in wanted if each.item is None}
        for delegate in dict.fromkeys(each.delegate for each in wanted if each.item is not None):
            mine = [each for each in wanted if each.item is not None and each.delegate == delegate]
            for place, turn in enumerate([[each] for each in mine] if way.pause_s else [mine]):
                self._between(way, place == 0)
                results |= self._until(way, self._target(way, delegate), turn)
        return [(each, results[each.place]) for each in wanted]

    def _until(self, way: Way, host: Host, wanted: Sequence[Wanted]) -> dict[int, ItemResult]:
        """Do elements on a head, those again that are not done, as often as `until` asks for."""
        results: dict[int, ItemResult] = {}
        most = self._most()
        attempt = 0
        todo = list(wanted)
        while todo:
            attempt += 1
            self._attempts |= {each.place: attempt for each in todo}
            for each, result in zip(todo, self._once(way, host, todo), strict=True):
                results[each.place] = self._judged(each, result, attempt)
            if self._spec.until is None or self._trouble is not None:
                break
            todo = [each for each in todo if not self._is_enough(each, results[each.place], attempt)]
            if todo and (attempt >= most or self._run.is_over()):
                for each in todo:
                    results[each.place] = _exhausted(results[each.place])
                    self._attempts[each.place] = attempt - 1  # as Ansible counts: the retries
                break
            if todo:
                self._again(attempt, most)
        return results

    def _once(self, way: Way, host: Host, wanted: Sequence[Wanted]) -> list[ItemResult]:
        items = [each.item for each in wanted if each.item is not None]
        task = make_task(
            self._run.numbers.get(self._spec.id, 0),
            self._name,
            self._spec.module,
            items,
            self._timeout_s(),
            self._play.number,
            run=self._run.options.run,
            is_handler=self._is_handler,
        )
        without = frozenset(item.key for item in items if self._has_failed(item.key))
        result = self._run.reach.run(host, task, owner=self._head.name, without=without, check=way.check)
        self._times.append(result.times)
        if result.error:
            self._trouble = result
        if any(item.made for item in result.items):
            self._made.append(Made(host=host.name, become=host.become, become_user=host.become_user, result=result))
        by_key = {item.key: item for item in result.items}
        by_key |= {key: replace(by_key[key], data={"skip_reason": "it has failed before"}) for key in without}
        if way.check:
            by_key |= {item.key: in_check(task.module, item, by_key[item.key], self._run.would) for item in items}
        return [replace(by_key[each.item.key], label=each.label) for each in wanted if each.item is not None]

    def _has_failed(self, key: str) -> bool:
        """Return whether a LUN, or the one that this is a snapshot of, has failed before."""
        failed = self._head.failed_keys
        return self._module.fails_alone and (key in failed or key.partition("@")[0] in failed)

    def _timeout_s(self) -> float | None:
        if self._spec.timeout_s is None:
            return None
        value = self._number(self._spec.timeout_s, "timeout")
        return value or None

    def _most(self) -> int:
        return 1 + int(self._number(self._spec.until.retries, "retries")) if self._spec.until else 1

    def _number(self, source: Json, key: str) -> float:
        value = self._run.expressions.value(source, self._view({}), self._spec.place(key))
        try:
            found = float(value)
        except (TypeError, ValueError):
            found = -1.0
        if not found >= 0:
            raise InputError(f"{value!r} is no number from 0 on", where=self._spec.place(key), fix="write a number")
        return found

    def _again(self, attempt: int, most: int) -> None:
        """Wait before the next try."""
        assert self._spec.until is not None
        self._run.observer.retrying(self._head.name, self._name, attempt, most)
        self._run.cancelled.wait(self._number(self._spec.until.delay_s, "delay"))

    # judging

    def _judged(self, wanted: Wanted, result: ItemResult, attempt: int) -> ItemResult:
        return judged(result, self._spec, wanted, self._view, self._run.expressions, attempt)

    def _is_enough(self, wanted: Wanted, result: ItemResult, attempt: int) -> bool:
        return is_enough(result, self._spec, wanted, self._view, self._run.expressions, attempt)

    def _done(
        self, way: Way, pairs: Sequence[tuple[Wanted, ItemResult]], said: Mapping[str, Json], begun_s: float
    ) -> Done:
        # Of a batch that is for many heads, each tells of its own part: what is left out by `when` is another's.
        alone = self._module.fails_alone
        items = tuple(result for wanted, result in pairs if not (alone and wanted.item is None))
        status = status_of(items)
        if self._trouble is not None:
            status = self._trouble.status
        result = self._result(status, items, begun_s, no_log=way.no_log)
        delegates = {wanted.delegate for wanted, _result in pairs} - {"", self._head.name}
        result = replace(result, delegate=next(iter(delegates)) if len(delegates) == 1 else "")
        if self._trouble is not None:
            result = replace(result, error=self._trouble.error, fix=self._trouble.fix, wedged=self._trouble.wedged)
        value = registered(self._spec, pairs, check=way.check, attempts=self._attempts)
        facts = {
            name: each
            for _wanted, item in pairs
            if self._module.on_head and isinstance(item.data, Mapping)
            for name, each in (item.data.get("ansible_facts") or {}).items()
        }
        if facts:
            facts["ansible_facts"] = {name.removeprefix("ansible_"): each for name, each in facts.items()}
        try:
            return self._end(result, value, said, facts, pairs)
        except LunopsError as error:
            return self._failed(error, begun_s, no_log=way.no_log)

    def _end(
        self,
        result: TaskResult,
        value: Json,
        said: Mapping[str, Json],
        facts: Mapping[str, Json],
        pairs: Sequence[tuple[Wanted, ItemResult]],
    ) -> Done:
        spec = self._spec
        is_bad = result.status.is_bad
        if is_bad:
            key = "ignore_unreachable" if result.status is Status.UNREACHABLE else "ignore_errors"
            result = replace(result, is_ignored=self._flag(key))
        notified = self._notified(pairs) if result.status is Status.CHANGED else ()
        if spec.register:
            said = {**said, spec.register: value}
        return Done(
            result=result,
            effects=Effects(said=said, facts=facts, notified=notified),
            stops=is_bad and not result.is_ignored and self._stops(result),
            failure=self._failure(value) if is_bad else {},
            made=tuple(self._made),
            is_whole=not any(each.item is not None and item.status is Status.SKIPPED for each, item in pairs),
        )

    def _stops(self, result: TaskResult) -> bool:
        """Return whether the head cannot go on: not where only some LUNs failed, which later tasks leave out."""
        if not self._module.fails_alone or result.error or self._spec.on_failure != KEEP:
            return True
        return all(item.status.is_bad for item in result.items if item.status is not Status.SKIPPED)

    def _notified(self, pairs: Sequence[tuple[Wanted, ItemResult]]) -> tuple[str, ...]:
        """Return the ids of the handlers that the task notifies; a name may be made of what a loop goes over."""
        found: list[str] = []
        changed = [wanted for wanted, item in pairs if item.status is Status.CHANGED]
        for source in self._spec.notify:
            for wanted in changed if "{{" in source else changed[:1]:
                name = self._run.expressions.value(source, self._view(wanted.more), self._spec.place("notify"))
                for each in name if isinstance(name, list) else [name]:
                    ids = self._handlers(str(each))
                    if not ids:
                        raise InputError(
                            f"there is no handler {each!r}",
                            where=self._spec.place("notify"),
                            fix="name one of this play's handlers, or what one of them listens to",
                        )
                    found += ids
        return tuple(dict.fromkeys(found))

    def _handlers(self, name: str) -> list[str]:
        handlers = self._play.play.handlers
        named = [handler.id for handler in handlers if handler.name == name][:1]
        return named + [handler.id for handler in handlers if name in handler.listen]

    def _failure(self, value: Json) -> Mapping[str, Json]:
        task = {"name": self._name, "action": self._spec.module, "args": dict(self._spec.args)}
        return {"ansible_failed_task": task, "ansible_failed_result": value}

    def _failed(self, error: LunopsError, begun_s: float, *, no_log: bool) -> Done:
        """Return a task that failed before it was done: a variable is missing, a condition is no condition."""
        fix = error.fix
        if isinstance(error, NotYetKnownError) and self._run.options.check:
            fix = fix or _CHECK_FIX
        where = f" ({error.where})" if error.where else ""
        result = self._result(Status.FAILED, (), begun_s, no_log=no_log)
        result = replace(result, error=f"{error.what}{where}", fix=fix)
        value: dict[str, Json] = {"failed": True, "changed": False, "msg": result.error}
        try:
            ignored = self._flag("ignore_errors")
        except LunopsError:
            ignored = False
        return Done(
            result=replace(result, is_ignored=ignored),
            effects=Effects(said={self._spec.register: value} if self._spec.register else {}),
            stops=not ignored,
            failure=self._failure(value),
            made=tuple(self._made),
        )

    def _result(self, status: Status, items: tuple[ItemResult, ...], begun_s: float, *, no_log: bool) -> TaskResult:
        total_s = self._run.now_s() - begun_s
        parts = ("wait_s", "connect_s", "run_s", "transfer_s")
        known = [sum(getattr(times, name) for times in self._times) for name in parts]
        wait_s, connect_s, run_s, transfer_s = known
        template_s = min(self._template_s, max(0.0, total_s - sum(known)))
        return TaskResult(
            head=self._head.name,
            task_id=self._run.task_id(self._spec),
            name=self._name,
            module=self._spec.module,
            status=status,
            items=items,
            times=Times(
                wait_s=wait_s,
                template_s=template_s,
                connect_s=connect_s,
                run_s=run_s,
                transfer_s=transfer_s,
                total_s=max(total_s, sum(known)),
            ),
            play=self._play.play.name,
            where=self._spec.where.get("", ""),
            begun_s=begun_s,
            is_handler=self._is_handler,
            attempts=max(self._attempts.values(), default=1),
            no_log=no_log,
            diff=self._diff,
        )


def _exhausted(result: ItemResult) -> ItemResult:
    """Return a result that was tried as often as was allowed, and is not what it should be."""
    return replace(
        result,
        status=Status.FAILED,
        error=result.error or "`until` does not hold after the last retry",
        fix=result.fix,
    )

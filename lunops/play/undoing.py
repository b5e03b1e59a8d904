"""Take back what failed: of single LUNs, of a task, or of a whole play that is all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lunops.errors import LunopsError
from lunops.model import TaskResult
from lunops.modules import MODULES
from lunops.planner.expand import expand
from lunops.planner.prepare import Prepared
from lunops.play.run_state import PlayState, RunState
from lunops.play.state import Head
from lunops.playbook.model import UNDO, TaskSpec
from lunops.playbook.walk import tasks_of


class Undoing:
    """Knows what is to be taken back, and when."""

    def __init__(self, run: RunState, prepared: Prepared) -> None:
        self._run = run
        self._prepared = prepared
        self._next = len(run.numbers) + 1  # the number of the next task that takes something back

    def task_failed(self, play: PlayState, head: Head, result: TaskResult) -> None:
        """Take back all that a task made whose own `on_failure` says so, and stop others of an undone play."""
        if play.play.on_failure == UNDO:
            self._run.is_stopped = True
            self._run.reach.cancel()  # what the others still do would only be taken back
            return
        spec = self._spec_of(play, result)
        if spec is not None and spec.on_failure == UNDO:
            made = [each for each in result.items if each.made]
            if made:
                for undone in self._run.reach.take_back_one(head.host, result, self._next):
                    self._tell(head, undone)
                self._next += 1

    def end_play(self, play: PlayState) -> bool:
        """Take back what has to be at a play's end; return whether the next play may begin."""
        heads = list(self._run.heads.values())
        if play.play.on_failure == UNDO:
            if not self._is_bad(play) and not self._run.is_over():
                return True
            self._run.forks.each(heads, self._take_back_all)
            self._run.is_stopped = True
            return False
        found = self._run.forks.each(heads, lambda head: self._take_back(play, head))
        if any(found):
            self._next += 1
        return True

    def _take_back_all(self, head: Head) -> None:
        self._tell_all(head, self._run.reach.take_back_all(head.name, self._next))

    def _take_back(self, play: PlayState, head: Head) -> bool:
        results = [result for result in head.results if result.play == play.play.name]
        keys = {
            item.key
            for result in results
            if not (result.is_ignored or result.is_rescued)
            for item in result.items
            if item.status.is_bad
        }
        over = [r for r in results if r.status.is_bad and not (r.is_ignored or r.is_rescued)]
        if over and (head.is_failed or head.is_unreachable):
            keys |= set(self._not_begun(play, head))
        if not keys:
            return False
        undone = self._run.reach.take_back(head.name, keys, self._next)
        self._tell_all(head, undone)
        return bool(undone)

    def _not_begun(self, play: PlayState, head: Head) -> Iterator[str]:
        """Give the keys of items that later tasks of the play would have got: they would be left half-made."""
        begun = {result.task_id for result in head.results}
        for spec in tasks_of(play.play):
            module = MODULES[spec.module]
            if not (module.on_head and module.fails_alone) or self._run.task_id(spec) in begun:
                continue
            try:
                for wanted in expand(
                    spec,
                    lambda more, spec=spec: self._run.variables.of(  # type: ignore[misc]
                        head.host, play.variables, spec, {**play.names(head.host), **more}
                    ),
                    lambda _delegate: self._run.context(head.host),
                    self._run.expressions,
                ):
                    if wanted.item is not None:
                        yield wanted.item.key
            except LunopsError:
                continue  # what cannot be told without what was not run

    def _is_bad(self, play: PlayState) -> bool:
        return any(
            result.status.is_bad and not (result.is_ignored or result.is_rescued)
            for head in self._run.heads.values()
            for result in head.results
            if result.play == play.play.name
        )

    def _spec_of(self, play: PlayState, result: TaskResult) -> TaskSpec | None:
        found = [spec for spec in tasks_of(play.play) if self._run.task_id(spec) == result.task_id]
        return found[0] if found else None

    def _tell_all(self, head: Head, undone: list[TaskResult]) -> None:
        for each in undone:
            self._tell(head, each)

    def _tell(self, head: Head, undone: TaskResult) -> None:
        undone = replace(undone, begun_s=max(0.0, self._run.now_s() - undone.times.total_s))
        head.results.append(undone)
        self._run.observer.task_ended(undone)

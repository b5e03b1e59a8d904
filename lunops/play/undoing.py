"""Take back what failed: of single LUNs, of a task, or of a whole play that is all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lunops.errors import LunopsError
from lunops.model import ItemResult, Json, Status, TaskResult
from lunops.modules import MODULES, Context
from lunops.planner.expand import elements, expand
from lunops.planner.prepare import Prepared
from lunops.play.journal import Journal
from lunops.play.run_state import PlayState, RunState
from lunops.play.state import Head
from lunops.playbook.model import UNDO, Block, Node, TaskSpec
from lunops.playbook.walk import tasks_in

_NOT_DONE = (Status.SKIPPED, Status.UNKNOWN)


class Undoing:
    """Knows what is to be taken back, and when."""

    def __init__(self, run: RunState, prepared: Prepared, journal: Journal) -> None:
        self._run = run
        self._prepared = prepared
        self._journal = journal
        self._next = len(run.numbers) + 1  # the number of the next task that takes something back

    def task_failed(
        self, play: PlayState, spec: TaskSpec, turn: str, head: Head, result: TaskResult, *, guarded: bool
    ) -> None:
        """Take back all that a task made whose own `on_failure` says so, and stop the others of an undone play.

        `guarded`: a rescue stands ready, so that the play has not failed yet.
        """
        if play.play.on_failure == UNDO:
            if not guarded:
                self._run.is_stopped = True
                self._run.reach.cancel()  # what the others still do would only be taken back
            return
        if spec.on_failure == UNDO:
            if MODULES[spec.module].fails_alone:
                known = len(play.results(head))
                play.undone.setdefault(head.name, {}).update((item.key, known) for item in result.items)
            undone = self._run.reach.take_back_turn(head.name, turn, self._next)
            self._next += bool(undone)
            self._tell(play, head, undone)

    def end_play(self, play: PlayState) -> bool:
        """Take back what has to be at a play's end; return whether the next play may begin."""
        heads = [head for name, head in self._run.heads.items() if name in play.before]
        if play.play.on_failure == UNDO:
            if not self._is_bad(play, heads) and not self._run.is_over():
                return True
            self._run.is_stopped = True
            self._run.forks.each(
                heads, lambda head: self._tell(play, head, self._run.reach.take_back_all(head.name, self._next))
            )
            return False
        self._run.forks.each(heads, lambda head: self._take_back(play, head))
        self._next += 1
        return True

    def _take_back(self, play: PlayState, head: Head) -> None:
        """Take back the LUNs of a head that failed, and those that it would have gone on with, had it not left."""
        has_left = head.name in play.lost
        last: dict[str, tuple[int, TaskResult, ItemResult]] = {}
        for place, result in enumerate(play.results(head)):
            if result.module in MODULES and MODULES[result.module].fails_alone:
                last |= {item.key: (place, result, item) for item in result.items if item.status not in _NOT_DONE}
        undone = play.undone.get(head.name, {})
        keys: set[str] = set()
        for key, (place, result, item) in last.items():
            is_lost = item.status.is_bad or place < undone.get(key, 0)
            # A rescue answers for what failed before it, if it goes through; so does who ignores an error.
            if is_lost and not result.is_ignored and (has_left or not result.is_rescued):
                keys.add(key)
        if has_left:
            keys |= set(self._not_begun(play, head))
        if keys:
            self._tell(play, head, self._run.reach.take_back(head.name, keys, self._next))

    def _not_begun(self, play: PlayState, head: Head) -> Iterator[str]:
        """Give the keys of items that later tasks of the play would have got: they would be left half-made."""
        waiting: list[tuple[TaskSpec, Mapping[str, Json]]] = [
            (handler, {}) for handler in play.play.handlers if handler.id in head.notified
        ]
        for spec, around in (*self._coming(play, head, play.play.tasks, "", {}), *waiting):
            module = MODULES[spec.module]
            if module.on_head and module.fails_alone:
                yield from self._keys(play, head, spec, around)

    def _coming(
        self, play: PlayState, head: Head, nodes: Sequence[Node], trail: str, around: Mapping[str, Json]
    ) -> Iterator[tuple[TaskSpec, Mapping[str, Json]]]:
        """Give the tasks that were not begun and would have been, with what the looped blocks around them bring."""
        begun = play.begun.get(head.name, set())
        for node in nodes:
            if isinstance(node, Block):
                for there, more in self._turns(play, head, node, trail, around):
                    # Of a rescue only what is left of it, and then nothing of the tasks that it is for.
                    is_rescued = any(spec.id + there in begun for spec in tasks_in(node.rescue))
                    for part in (node.rescue if is_rescued else node.tasks, node.always):
                        yield from self._coming(play, head, part, there, more)
            elif node.id + trail not in begun:
                yield node, around

    def _turns(
        self, play: PlayState, head: Head, block: Block, trail: str, around: Mapping[str, Json]
    ) -> Iterator[tuple[str, Mapping[str, Json]]]:
        if block.loop is None:
            yield trail, around
            return
        try:
            found = elements(block.loop, self._run.view(play, head, None, around), self._run.expressions, block.where)
        except LunopsError:
            return  # what cannot be told without what was not run
        for turn, (_element, more) in enumerate(found):
            yield f"{trail}.{turn}", {**around, **more}

    def _keys(self, play: PlayState, head: Head, spec: TaskSpec, around: Mapping[str, Json]) -> Iterator[str]:
        try:
            for wanted in expand(
                spec,
                lambda more: self._run.view(play, head, spec, {**around, **more}),
                lambda delegate: self._context(head, delegate),
                self._run.expressions,
            ):
                if wanted.item is not None:
                    yield wanted.item.key
        except LunopsError:
            return

    def _context(self, head: Head, delegate: str) -> Context:
        return self._run.context(self._run.host(delegate) if delegate else head.host)

    def _is_bad(self, play: PlayState, heads: Sequence[Head]) -> bool:
        return any(result.is_failure for head in heads for result in play.results(head))

    def _tell(self, play: PlayState, head: Head, undone: Sequence[TaskResult]) -> None:
        ends_s = self._run.now_s()
        begins_s = [ends_s := ends_s - each.times.total_s for each in reversed(undone)]
        for each, begun_s in zip(undone, reversed(begins_s), strict=True):
            result = replace(each, play=play.play.name, begun_s=begun_s)
            head.results.append(result)
            self._run.observer.task_ended(result)
            self._journal.undone(head.name, {item.key for item in result.items})

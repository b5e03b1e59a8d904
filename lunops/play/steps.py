"""Go through blocks and tasks with the set of heads that still takes part; what comes back is who cannot go on.

So a block's `rescue` gets those that failed in its tasks, and its `always` everyone, once all others are through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace

from lunops.errors import LunopsError
from lunops.model import Json, Status, TaskResult
from lunops.planner.expand import elements
from lunops.play.journal import Journal
from lunops.play.on_head import TaskOnHead
from lunops.play.run_state import PlayState, RunState
from lunops.play.state import Done, Head
from lunops.play.undoing import Undoing
from lunops.playbook.model import Block, Node, TaskSpec
from lunops.recap import UNDO as TAKE_BACK

_ONCE = frozenset({"pause"})  # modules that are done once for all heads


class Steps:
    """Does the nodes of plays, handlers included."""

    def __init__(self, run: RunState, undoing: Undoing, journal: Journal) -> None:
        self._run = run
        self._undoing = undoing
        self._journal = journal
        self._asks = run.options.step is not None

    def through(self, play: PlayState, nodes: Sequence[Node], heads: Sequence[Head]) -> None:
        """Do these nodes and the handlers that they notify, on these heads of a batch."""
        lost = self._nodes(play, nodes, heads, guarded=False)
        # Those too that were lost within a rescue's reach, which is not for them.
        self._gone(play, [head for head in heads if head.is_unreachable], lost, guarded=False)
        self._flush(play, heads, guarded=False)

    # nodes: each gives the names of the heads that cannot go on

    def _nodes(self, play: PlayState, nodes: Sequence[Node], heads: Sequence[Head], *, guarded: bool) -> set[str]:
        lost: set[str] = set()
        for node in nodes:
            going = [head for head in heads if head.name not in lost and not head.has_left]
            if self._run.is_over() or play.is_over or not going:
                break
            if isinstance(node, Block):
                lost |= self._block(play, node, going, guarded=guarded)
            else:
                lost |= self._task(play, node, going, guarded=guarded)
        return lost

    def _block(self, play: PlayState, block: Block, heads: Sequence[Head], *, guarded: bool) -> set[str]:
        if block.loop is None:
            return self._parts(play, block, heads, guarded=guarded)
        lost: set[str] = set()
        turns: dict[str, Sequence[tuple[Json, Mapping[str, Json]]]] = {}
        for head in heads:
            try:
                turns[head.name] = elements(block.loop, self._run.view(play, head), self._run.expressions, block.where)
            except LunopsError as error:
                self._noted(head, _no_loop(play, block, head, error, self._run.now_s()))
                lost.add(head.name)
        self._gone(play, heads, lost, guarded=guarded)
        for turn in range(max((len(each) for each in turns.values()), default=0)):
            going = [head for head in heads if head.name not in lost and turn < len(turns[head.name])]
            before = [(head, head.around, head.trail) for head in going]
            for head in going:
                head.around = {**head.around, **turns[head.name][turn][1]}
                head.trail += f".{turn}"
            lost |= self._parts(play, block, [head for head in going if not head.has_left], guarded=guarded)
            for head, around, trail in before:
                head.around, head.trail = around, trail
        return lost

    def _parts(self, play: PlayState, block: Block, heads: Sequence[Head], *, guarded: bool) -> set[str]:
        before = {head.name: (len(head.results), frozenset(head.failed_keys)) for head in heads}
        lost = self._nodes(play, block.tasks, heads, guarded=guarded or bool(block.rescue))
        if block.rescue and not play.is_over and not self._run.is_over():
            for_rescue = [
                head for head in heads if head.name in lost and (block.rescue_unreachable or not head.is_unreachable)
            ]
            if for_rescue:
                for head in for_rescue:
                    self._rescue(head, *before[head.name])
                    head.learnt.said |= head.failure
                lost -= {head.name for head in for_rescue}
                lost |= self._nodes(play, block.rescue, for_rescue, guarded=guarded)
        if block.always:
            reachable = [head for head in heads if not head.is_unreachable]
            lost |= self._nodes(play, block.always, reachable, guarded=guarded)
        return lost

    def _rescue(self, head: Head, place: int, failed_keys: Set[str]) -> None:
        """Let a head go on in a rescue: what failed in the block is rescued, its LUNs are for the rescue to mend."""
        head.is_unreachable = False
        head.failed_keys = set(failed_keys)
        for at in range(place, len(head.results)):
            result = head.results[at]
            if result.status.is_bad and not result.is_ignored and result.module != TAKE_BACK:
                head.results[at] = replace(result, is_rescued=True)

    def _task(
        self, play: PlayState, spec: TaskSpec, heads: Sequence[Head], *, guarded: bool, is_handler: bool = False
    ) -> set[str]:
        if spec.module == "meta":
            return self._meta(play, spec, heads, guarded=guarded)
        if self._asks and not self._is_wanted(spec):
            return set()
        name = self._name(play, spec, heads[0])
        once = spec.module in _ONCE or self._is_once(play, spec, heads[0])
        asked_s = self._run.now_s()

        def turn(head: Head) -> str:
            return spec.id + f"/{head.flushes}" * is_handler + head.trail

        def do(head: Head) -> Done:
            done = self._journal.recall(head.name, turn(head))
            if done is None:
                task = TaskOnHead(self._run, play, spec, head, name=name, is_handler=is_handler, asked_s=asked_s)
                done = task.do()
                self._journal.note(head.name, turn(head), done)
            else:  # it began in another run, and stands here where this one has come to it
                done = replace(done, result=replace(done.result, begun_s=self._run.now_s()))
            for made in done.made:
                self._run.reach.keep(head.name, turn(head), made)
            return done

        def noted(head: Head, done: Done) -> Done:
            play.begun.setdefault(head.name, set()).add(spec.id + head.trail)
            self._noted(head, done)
            if self._is_lost(done, guarded):
                self._undoing.task_failed(play, spec, turn(head), head, done.result, guarded=guarded)
            return done

        if once:
            return self._once(play, heads, do, noted, guarded=guarded)
        most = self._throttle(play, spec, heads[0])
        found = self._run.forks.each(heads, lambda head: noted(head, do(head)), most=most)
        lost = {head.name for head, done in zip(heads, found, strict=True) if self._is_lost(done, guarded)}
        return self._gone(play, heads, self._spread(play, spec, heads, lost, guarded=guarded), guarded=guarded)

    def _once(
        self,
        play: PlayState,
        heads: Sequence[Head],
        do: Callable[[Head], Done],
        noted: Callable[[Head, Done], Done],
        *,
        guarded: bool,
    ) -> set[str]:
        """Do a task on the first head whose `when` holds, for all of them; its failure is everyone's."""
        for place, head in enumerate(heads):
            done = self._run.forks.each([head], do)[0]
            if done.result.status is not Status.SKIPPED or place == len(heads) - 1:
                break
        noted(head, done)
        for other in heads:
            if other is not head:
                other.learnt.said |= done.effects.said
                other.learnt.facts |= done.effects.facts
                other.notified |= dict.fromkeys(done.effects.notified)
        if not self._is_lost(done, guarded):
            return set()
        for other in heads:
            other.failure = dict(done.failure)
        return self._gone(play, heads, {each.name for each in heads}, guarded=guarded)

    def _gone(self, play: PlayState, heads: Sequence[Head], lost: set[str], *, guarded: bool) -> set[str]:
        """Mark the heads that have left the run, where no rescue is for them; return the names as they are."""
        for head in heads:
            if head.name in lost and not guarded:
                head.is_failed = True
                play.lost.add(head.name)
        return lost

    def _is_lost(self, done: Done, guarded: bool) -> bool:
        """Return whether a head cannot go on; within a rescue's reach, a LUN that failed is enough."""
        result = done.result
        return done.stops or (guarded and result.status.is_bad and not result.is_ignored)

    def _noted(self, head: Head, done: Done) -> None:
        """Take in what a task brought, and tell of it."""
        result = done.result
        head.results.append(result)
        head.learnt.said |= done.effects.said
        head.learnt.facts |= done.effects.facts
        head.notified |= dict.fromkeys(done.effects.notified)
        if result.status.is_bad and not result.is_ignored:
            head.failed_keys |= {item.key for item in result.items if item.status.is_bad}
            head.failure = dict(done.failure)
            head.is_unreachable = head.is_unreachable or result.status is Status.UNREACHABLE
        self._run.observer.task_ended(result)

    def _spread(
        self, play: PlayState, spec: TaskSpec, heads: Sequence[Head], lost: set[str], *, guarded: bool
    ) -> set[str]:
        """Return who cannot go on, where the failure of some is that of all."""
        if not lost:
            return lost
        everyone = {head.name for head in heads}
        fatal = spec.any_errors_fatal if spec.any_errors_fatal is not None else play.play.any_errors_fatal
        if isinstance(fatal, str):
            view = self._run.view(play, heads[0], spec)
            fatal = bool(self._run.expressions.value(fatal, view, spec.place("any_errors_fatal")))
        most = play.play.max_fail_percentage
        gone = {head.name for head in play.batch if head.is_failed or head.is_unreachable} | lost
        if most is not None and not guarded and 100 * len(gone) / len(play.batch) > most:
            self._run.observer.note(
                f"{len(gone)} of {len(play.batch)} heads failed, more than {most:g} %: the play {play.play.name!r} ends"
            )
            self._gone(play, play.batch, {head.name for head in play.batch}, guarded=False)
            play.is_over = True
            return everyone
        return everyone if fatal else lost

    # handlers and meta

    def _flush(self, play: PlayState, heads: Sequence[Head], *, guarded: bool) -> set[str]:
        """Run the handlers that were notified, in the order in which they are defined."""
        for head in heads:
            head.flushes += 1
        forced = play.play.force_handlers or self._run.options.force_handlers
        lost: set[str] = set()
        while True:  # again for those that a handler notified which stands behind them
            ran = False
            for handler in play.play.handlers:
                going = [
                    head
                    for head in heads
                    if handler.id in head.notified
                    and head.name not in lost
                    and not (head.is_unreachable or head.has_left)
                    and (forced or not head.is_failed)
                ]
                if self._run.is_over() or not going or (play.is_over and not forced):
                    continue
                ran = True
                for head in going:
                    head.notified.pop(handler.id, None)
                lost |= self._task(play, handler, going, guarded=guarded, is_handler=True)
            if not ran:
                break
        return lost

    def _meta(self, play: PlayState, spec: TaskSpec, heads: Sequence[Head], *, guarded: bool) -> set[str]:
        going = [head for head in heads if self._holds(play, spec, head)]
        action = str(spec.args.get("action", ""))
        if action == "flush_handlers":
            return self._flush(play, heads, guarded=guarded)
        if not going:
            return set()
        if action == "end_play":
            play.is_over = True
            for head in heads:
                head.has_left = True
        elif action == "end_batch":
            for head in heads:
                head.has_left = True
        elif action == "end_host":
            for head in going:
                head.has_left = True
        elif action == "clear_host_errors":
            for head in self._run.heads.values():
                if head.is_failed:
                    head.is_failed = head.is_unreachable = False
                    head.has_left = True
        elif action == "reset_connection":
            for head in going:
                self._run.reach.reset(head.name)
        return set()

    def _holds(self, play: PlayState, spec: TaskSpec, head: Head) -> bool:
        view = self._run.view(play, head, spec)
        return all(self._run.expressions.condition(each, view, spec.place("when")) for each in spec.when)

    # keywords that are asked for all heads at once

    def _name(self, play: PlayState, spec: TaskSpec, head: Head) -> str:
        if "{" not in spec.name:
            return spec.name
        try:
            view = self._run.view(play, head, spec)
            return str(self._run.expressions.value(spec.name, view, spec.place("name")))
        except LunopsError:
            return spec.name  # as in Ansible: a name is no reason to stop

    def _is_once(self, play: PlayState, spec: TaskSpec, head: Head) -> bool:
        if not isinstance(spec.run_once, str):
            return bool(spec.run_once)
        view = self._run.view(play, head, spec)
        return bool(self._run.expressions.value(spec.run_once, view, spec.place("run_once")))

    def _throttle(self, play: PlayState, spec: TaskSpec, head: Head) -> int:
        value: Json = spec.throttle
        if isinstance(value, str):
            view = self._run.view(play, head, spec)
            value = self._run.expressions.value(value, view, spec.place("throttle"))
        limits = [int(each) for each in (value, play.play.forks) if each]
        return min(limits, default=0)

    def _is_wanted(self, spec: TaskSpec) -> bool:
        """Ask whether to do a task."""
        assert self._run.options.step is not None
        answer = self._run.options.step(spec.name)
        if answer == "c":
            self._asks = False
        return answer in ("y", "c")


def _no_loop(play: PlayState, block: Block, head: Head, error: LunopsError, now_s: float) -> Done:
    """Return what a block comes to whose loop cannot be told."""
    result = TaskResult(
        head=head.name,
        task_id="00:block",
        name=block.name or "block",
        module="block",
        status=Status.FAILED,
        error=f"{error.what} ({error.where})",
        fix=error.fix,
        play=play.play.name,
        where=block.where,
        begun_s=now_s,
    )
    return Done(result=result, stops=True, failure={"ansible_failed_result": {"failed": True, "msg": result.error}})

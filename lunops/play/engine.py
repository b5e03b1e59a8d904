"""Go through a playbook: plays in order, each task on all heads of a batch before the next one begins.

What a batch does, `lunops.play.steps` goes through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lunops.head_run import HeadSession, needs_lio
from lunops.inventory import Inventory
from lunops.model import Host, RunResult
from lunops.modules.base import Files
from lunops.planner.prepare import Prepared
from lunops.planner.variables import Variables
from lunops.play.batches import batches, ordered
from lunops.play.forks import Forks
from lunops.play.journal import Journal
from lunops.play.observer import PlayObserver, PlayOneAtATime, SilentPlay
from lunops.play.reach import Reach
from lunops.play.run_state import Options, PlayState, RunState
from lunops.play.state import Head
from lunops.play.steps import Steps
from lunops.play.undoing import Undoing
from lunops.playbook.model import FREE, UNDO, Node, Play, TaskSpec
from lunops.playbook.walk import numbers, tasks_of
from lunops.render import Templates


def run_playbook(
    prepared: Prepared,
    inventory: Inventory,
    *,
    connect: Callable[[Host], HeadSession],
    options: Options,
    templates: Templates,
    files: Files | None = None,
    observer: PlayObserver | None = None,
    journal: Journal | None = None,
    cancelled: threading.Event | None = None,
) -> RunResult:
    """Run a playbook that was found sound; return every task's result.

    Once `cancelled` is set, running tasks end between two items and nothing more is begun. The observer is called
    by one thread at a time. What goes wrong on one head is that head's result.
    """
    told = PlayOneAtATime(observer or SilentPlay())
    heads = {host.name: Head(host=host) for host in prepared.heads}
    cancelled = cancelled or threading.Event()
    playbook = prepared.playbook
    here = inventory.localhost
    reach = Reach(
        connect,
        told,
        check=options.check,
        is_stopped=lambda: run.is_over(),
        for_lio=needs_lio(spec.module for play in playbook.plays for spec in tasks_of(play)),
        hosts=inventory.hosts if here is None else {here.name: here, **inventory.hosts},
    )
    run = RunState(
        playbook=playbook,
        inventory=inventory,
        options=options,
        templates=templates,
        files=files,
        expressions=prepared.expressions,
        variables=Variables(
            inventory,
            options.extra,
            prepared.expressions,
            said={"ansible_check_mode": options.check, "ansible_diff_mode": options.diff, **options.said},
            learnt={name: head.learnt for name, head in heads.items()},
        ),
        observer=told,
        cancelled=cancelled,
        reach=reach,
        forks=Forks(options.forks, cancelled=cancelled, cancel=reach.cancel),
        heads=heads,
        numbers=numbers(playbook),
    )
    try:
        _Engine(run, prepared, journal or Journal()).plays()
    except KeyboardInterrupt:
        raise  # at once: the agents end what runs when they see the end of this process
    except BaseException:
        reach.close()
        raise
    reach.close()
    run.forks.close()
    return RunResult(
        plan=playbook.name,
        check=options.check,
        tasks=tuple(sorted((each for head in heads.values() for each in head.results), key=lambda each: each.begun_s)),
        heads=tuple(heads),
        total_s=run.now_s(),
    )


class _Engine:
    """Goes through the plays."""

    def __init__(self, run: RunState, prepared: Prepared, journal: Journal) -> None:
        self._run = run
        self._prepared = prepared
        self._undoing = Undoing(run, prepared, journal)
        self._steps = Steps(run, self._undoing, journal)

    def plays(self) -> None:
        """Do all plays in order; one in which a whole batch is lost is the last."""
        for number, play in enumerate(self._run.playbook.plays):
            if self._run.is_over():
                return
            chosen = self._prepared.heads_of(number)
            heads = [
                self._run.heads[host.name]
                for host in ordered(chosen, play.order, [host.name for host in chosen])
                if not self._run.heads[host.name].is_failed
            ]
            if play.on_failure == UNDO and self._has_failed():
                self._run.observer.note(f"the play {play.name!r} is all or nothing, and something has failed before it")
                self._run.is_stopped = True
                return
            if heads and not self._play(play, number, heads):
                return

    def _play(self, play: Play, number: int, heads: Sequence[Head]) -> bool:
        """Do a play; return whether the next one may begin."""
        chosen = self._prepared.heads_of(number)
        state = PlayState(
            play=play,
            number=number,
            variables=self._prepared.variables_of(number),
            all_heads=tuple(host.name for host in chosen if not self._run.heads[host.name].is_failed),
            before={head.name: len(head.results) for head in heads},
        )
        goes_on = True
        view = self._run.view(state, heads[0])
        serial = [self._run.expressions.value(each, view, play.place("serial")) for each in play.serial]
        for batch in batches(heads, serial, play.place("serial")):
            for head in batch:
                head.has_left = False
                head.notified.clear()
                head.flushes = 0
            state.batch = batch
            self._run.observer.play_started(play.name, tuple(head.name for head in batch), number)
            self._batch(state)
            lost = [head for head in batch if head.is_failed or head.is_unreachable]
            if state.is_over or self._run.is_over():
                break
            if len(lost) == len(batch):
                goes_on = False
                break
        goes_on = self._undoing.end_play(state) and goes_on and not self._run.is_over()
        self._run.reach.forget()
        return goes_on and not (state.is_over and all(head.is_failed for head in state.batch))

    def _batch(self, play: PlayState) -> None:
        nodes: Sequence[Node] = play.play.tasks
        if play.play.gather_facts:
            nodes = (_gather(play), *nodes)
        forks = play.play.forks or 0
        if play.play.strategy == FREE:
            self._run.forks.each(play.batch, lambda head: self._steps.through(play, nodes, [head]), most=forks)
        else:
            self._steps.through(play, nodes, play.batch)

    def _has_failed(self) -> bool:
        return any(result.is_failure for head in self._run.heads.values() for result in head.results)


def _gather(play: PlayState) -> TaskSpec:
    where = {"": play.play.place("gather_facts")}
    return TaskSpec(id=f"{play.number + 1}.0", name="Gathering Facts", module="facts", args={}, where=where)

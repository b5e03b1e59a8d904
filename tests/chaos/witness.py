"""Judge what happened to one LUN by the jobs that asked for it. Pure: events and jobs in, what is wrong out.

A job whose head was left alone does just what is missing, once, in its turn: this holds to the letter, however often
its worker was killed. A job whose head's agent was killed may have been taken back and done again, or failed: then it
is only asked that the LUN is whole or not there at all, and as a job that is complete says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lunops.sim.state import Change
from tests.chaos.journals import CLONE, NO_CLONE, NO_TARGET, TARGET, Event
from tests.chaos.plan import Kind


@dataclass(frozen=True, kw_only=True)
class State:
    """What there is of a LUN."""

    clone: bool = False
    target: bool = False

    def after(self, what: str) -> State | None:
        """Return the state after an event, or None if it cannot be in this one."""
        clone, target = self.clone, self.target
        if what == CLONE and not clone:
            return State(clone=True, target=target)
        if what == NO_CLONE and clone:
            return State(clone=False, target=target)
        if what == TARGET and not target:
            return State(clone=clone, target=True)
        if what == NO_TARGET and target:
            return State(clone=clone, target=False)
        return None

    def wanted(self, kind: Kind) -> State:
        """Return the state after a job of this kind."""
        if kind is Kind.CREATE:
            return State(clone=True, target=True)
        return State(clone=self.clone and kind is Kind.UNSHARE, target=False)

    def missing(self, kind: Kind) -> list[str]:
        """Return what a job of this kind does."""
        wanted = self.wanted(kind)
        made = [CLONE] * (wanted.clone > self.clone) + [TARGET] * (wanted.target > self.target)
        return made + [NO_TARGET] * (wanted.target < self.target) + [NO_CLONE] * (wanted.clone < self.clone)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one job did with the LUN, as the service says."""

    number: int
    kind: Kind
    is_done: bool  # and not failed
    was_cut: bool  # its head's agent was killed before it was over
    ids: frozenset[str] = frozenset()  # under which it may have been accepted; empty: not known


def unsettled(steps: Sequence[Step]) -> State | None:
    """Return what reconcile makes of a LUN whose last job was a delete that failed; None if that is not so."""
    if not steps or steps[-1].is_done or steps[-1].kind is Kind.CREATE:
        return None
    return State(clone=steps[-1].kind is Kind.UNSHARE, target=False)


_Ways = dict[tuple[int, State], tuple[int, ...]]  # events used and what is then there → how many after each step


def judge(name: str, steps: Sequence[Step], found: Sequence[Event], end: State) -> list[str]:
    """Return what is wrong with a LUN: these events by these jobs, in their order, leading to what is there."""
    wrong = _impossible(name, found)
    ends = _ways(steps, found)
    if not wrong and (len(found), end) not in ends:
        told = ", ".join(
            f"{step.number} {step.kind} {'done' if step.is_done else 'failed'}{' cut' if step.was_cut else ''}"
            for step in steps
        )
        numbers = {id: step.number for step in steps for id in step.ids if len(step.ids) == 1}
        seen = " ".join(_told(event, numbers) for event in found) or "nothing"
        wrong.append(f"{name}: the jobs {told} do not explain {seen}, and in the end {end}")
    return wrong


def at_once(name: str, steps: Sequence[Step], found: Sequence[Event], changes: Sequence[Change]) -> list[str]:
    """Return where two processes have worked on a LUN for the same job, one between what the other did.

    Only of LUNs none of whose jobs was cut: for the others it is not known which job did what.
    """
    ways = [way for (used, _), way in _ways(steps, found).items() if used == len(found)]
    if not ways or any(step.was_cut or not step.is_done for step in steps):
        return []
    bounds = [found[start].first for start, end in zip((0, *ways[0]), ways[0], strict=False) if start < end]
    wrong = []
    for begin, until in zip_longest(bounds, bounds[1:], fillvalue=float("inf")):
        pids = [change.pid for change in changes if begin <= change.n < until]
        seen = [pid for place, pid in enumerate(pids) if place == 0 or pid != pids[place - 1]]
        if len(seen) != len(set(seen)):
            wrong.append(f"{name}: the processes {seen} were at it at once, from line {begin} of the journal on")
    return wrong


def _told(event: Event, numbers: dict[str, int]) -> str:
    by = numbers.get(event.job_id, event.job_id)
    return f"{event.what} (of {by})" if event.job_id else event.what


def _impossible(name: str, found: Sequence[Event]) -> list[str]:
    state = State()
    for event in found:
        then = state.after(event.what)
        if then is None:
            return [f"{name}: {event.what} in line {event.number} of the journal, when there was {state}"]
        state = then
    return []


def _ways(steps: Sequence[Step], found: Sequence[Event]) -> _Ways:
    ways: _Ways = {(0, State()): ()}
    for step in steps:
        then: _Ways = {}
        for (used, state), way in ways.items():
            follow = _loose if step.was_cut or not step.is_done else _strict
            for end in follow(step, state, found, used):
                then.setdefault(end, (*way, end[0]))
        ways = then
    return ways


def _strict(step: Step, state: State, found: Sequence[Event], used: int) -> list[tuple[int, State]]:
    missing = state.missing(step.kind)
    mine = found[used : used + len(missing)]
    if [event.what for event in mine] != missing:
        return []
    if step.ids and any(event.job_id and event.job_id not in step.ids for event in mine):
        return []
    return [(used + len(missing), state.wanted(step.kind))]


def _loose(step: Step, before: State, found: Sequence[Event], used: int) -> list[tuple[int, State]]:
    wanted = before.wanted(step.kind)
    allowed = {wanted} if step.is_done else {before, wanted}
    if not step.is_done and step.kind is Kind.DELETE:
        allowed.add(State(clone=before.clone, target=False))  # it stays recorded as one to go, which reconcile ends
    ends = []
    state: State | None = before
    while state is not None:
        if state in allowed:
            ends.append((used, state))
        if used == len(found):
            break
        state = state.after(found[used].what)
        used += 1
    return ends

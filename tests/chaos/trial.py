"""Hold what the clients were told, the store, the journals and the heads against each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from lunops.sim.state import Change
from tests.chaos import journals, remains, resumed, store, witness
from tests.chaos.board import Board, Sent
from tests.chaos.destroyer import Struck
from tests.chaos.place import Place
from tests.chaos.plan import Strike
from tests.chaos.remains import Remains
from tests.chaos.report import Report
from tests.chaos.witness import State, Step
from tests.support.started import ROOT

# What may have failed where an agent was killed; anything else, and anywhere else, may not.
_OF_A_CUT = re.compile(r"the agent (ended (in the middle|before its first word)|takes no more input)")
_OVER = ("complete", "failed")
_Steps = Mapping[str, Sequence[Step]]  # by the LUN's name


def judged(
    seed: int, place: Place, board: Board, struck: Sequence[Struck], strikes: Sequence[Strike], took_s: float
) -> Report:
    """Return what a run has shown, once nothing of it runs any more. It mends what cut deletes have left half done."""
    states = store.states(place.store)
    jobs = [board.sent[number] for number in sorted(board.sent)]
    unknown = frozenset(states) - {sent.id for sent in jobs}
    wrong = [*board.wrong, *_not_over(jobs, states), *_not_allowed(jobs), *_not_struck(strikes, struck)]
    changes = 0
    cut_off: dict[int, dict[str, tuple[State, ...]]] = {}  # head → LUN → what reconcile may leave of it
    for head in place.heads:
        steps = _steps(head, jobs, unknown)
        journal, there = _look(place, head)
        ends = {name: witness.unsettled(each) for name, each in steps.items()}
        cut_off[head] = {name: (end, there.state(name)) for name, end in ends.items() if end is not None}
        changes += len(journal)
        told = there.wrong(but=frozenset(cut_off[head])) + _history(steps, journal, there)
        wrong += [f"jbod-{head:02}: {what}" for what in told]
    if any(cut_off.values()):
        wrong += _lunops(place, "reconcile", "--yes")
    wrong += _lunops(place, "drift")
    for head, allowed in cut_off.items():
        there = _look(place, head)[1]
        odd = [f"{name} is {there.state(name)}" for name, ends in allowed.items() if there.state(name) not in ends]
        wrong += [f"jbod-{head:02}, reconciled: {what}" for what in (*there.wrong(), *odd)]
    return Report(
        seed=seed,
        took_s=took_s,
        jobs=len(jobs),
        complete=sum(sent.answer.get("status") == "complete" for sent in jobs),
        failed=sum(sent.answer.get("status") == "failed" for sent in jobs),
        unanswered=sum(sent.tries - 1 for sent in jobs),
        unknown=len(unknown),
        changes=changes,
        struck=tuple(struck),
        resumed=tuple(resumed.resumed(store.runs(place.store), struck)),
        wrong=tuple(wrong),
    )


def _not_over(jobs: Sequence[Sent], states: dict[str, str]) -> list[str]:
    wrong = [f"job {sent.job.number} ({sent.id}) stays at {sent.answer}" for sent in jobs if sent.over_s is None]
    wrong += [f"job {sent.job.number} ({sent.id}) is not in the store" for sent in jobs if sent.id not in states]
    return wrong + [f"job {id} is {state} in the store" for id, state in states.items() if state not in _OVER]


def _not_allowed(jobs: Sequence[Sent]) -> list[str]:
    wrong = []
    for sent in jobs:
        if sent.answer.get("status") != "failed":
            continue
        errors = sent.answer.get("errors", [])
        # An agent that was killed after its last item, and before it said so: all was done, and the job failed.
        if not errors and not (sent.cut and _OF_A_CUT.search(sent.answer.get("error", ""))):
            wrong.append(f"job {sent.job.number} failed, but none of its items: {sent.answer}")
        for error in errors:
            lun = sent.job.luns[error["index"]]
            if lun.head not in sent.cut or not _OF_A_CUT.search(error["error"]):
                cut = "after a cut" if lun.head in sent.cut else "without a cut"
                wrong.append(f"job {sent.job.number} ({sent.id}): {sent.job.kind} of {lun.name} failed {cut}: {error}")
    return wrong


def _not_struck(strikes: Sequence[Strike], struck: Sequence[Struck]) -> list[str]:
    wanted, got = Counter(each.blow for each in strikes), Counter(each.blow for each in struck)
    return [f"only {got[blow]} of {count} times: {blow}" for blow, count in wanted.items() if got[blow] < count]


def _look(place: Place, head: int) -> tuple[Sequence[Change], Remains]:
    with place.head(head) as system:
        return system.journal(), remains.look(system)


def _steps(head: int, jobs: Sequence[Sent], unknown: frozenset[str]) -> _Steps:
    """Return what each job did with each LUN of a head."""
    steps: dict[str, list[Step]] = {}
    for sent in jobs:
        failed = {error["index"] for error in sent.answer.get("errors", [])}
        for place, lun in enumerate(sent.job.luns):
            if lun.head == head:
                step = Step(
                    number=sent.job.number,
                    kind=sent.job.kind,
                    is_done=sent.over_s is not None and place not in failed,
                    was_cut=head in sent.cut,
                    ids=frozenset({sent.id}) | (unknown if sent.tries > 1 else frozenset()),
                )
                steps.setdefault(lun.name, []).append(step)
    return steps


def _history(steps: _Steps, journal: Sequence[Change], there: Remains) -> list[str]:
    changes = journals.by_name(journal)
    wrong = []
    for name in sorted({*changes, *steps, *there.clones, *there.targets}):
        found = journals.events(changes.get(name, []))
        wrong += witness.judge(name, steps.get(name, []), found, there.state(name))
        wrong += witness.at_once(name, steps.get(name, []), found, changes.get(name, []))
    return wrong


def _lunops(place: Place, *words: str) -> list[str]:
    """Let lunops itself look whether each head is as it is recorded, or mend it."""
    argv = [sys.executable, "-m", "lunops", *words, "-i", str(place.inventory)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(place.folder / "state")}
    done = subprocess.run(
        argv, cwd=place.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    return [f"lunops {words[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"] if done.returncode else []

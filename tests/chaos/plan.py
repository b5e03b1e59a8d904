"""What is asked of the service and what is done to it, all from one seeded generator. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from lunops.model import Json
from tests.service_support import clone, gone

CLONES_MOST = 4


class Kind(StrEnum):
    """What a job does with each of its LUNs."""

    CREATE = "create"
    DELETE = "delete"
    UNSHARE = "unshare"  # a delete that leaves the clone


@dataclass(frozen=True, kw_only=True)
class Lun:
    """A LUN by its place; its name is that of clone and target alike, and no other head has it."""

    head: int
    name: str

    @property
    def pool(self) -> str:
        """Its head's pool."""
        return f"p{self.head}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request. It is sent once those that it comes `after` were accepted: they share a name with it."""

    number: int
    kind: Kind
    luns: tuple[Lun, ...]
    after: tuple[int, ...]

    @property
    def heads(self) -> frozenset[int]:
        """The heads that it has a part on."""
        return frozenset(lun.head for lun in self.luns)

    @property
    def body(self) -> Json:
        """What is sent."""
        if self.kind is Kind.CREATE:
            return {"clones": [clone(lun.name, lun.pool, createParent=True) for lun in self.luns]}
        keeps = self.kind is Kind.UNSHARE
        return {"clones": [gone(lun.name, lun.pool, deleteClones=not keeps) for lun in self.luns]}


class Blow(StrEnum):
    """What is done to the service or its heads."""

    KILL = "kill"  # kill -9 of a worker
    KILL_FRONT = "kill front"
    KILL_ALL = "kill all"  # as a power cut does
    STOP = "stop"  # SIGSTOP, and SIGCONT after a while
    CUT = "cut"  # a head's agent is killed at its work
    DATABASE = "database"  # its server is killed, and started again after a while

    @property
    def is_kill(self) -> bool:
        """Whether it is one of the kills."""
        return self in (Blow.KILL, Blow.KILL_FRONT, Blow.KILL_ALL)


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A blow, due when so many jobs are over: there is work then, however quick the machine."""

    blow: Blow
    due: int
    pause_s: float  # and a little later, so that it meets the work anywhere
    is_aimed: bool  # at a process that is at work, else at any
    choice: float  # 0 to 1: which of those that there are
    lasts_s: float  # of a stop; a database is away for an eighth of it
    nth: int  # of a cut: before or after which of the head's next changes


def plan_jobs(random: Random, count: int, *, heads: int, names: int) -> tuple[Job, ...]:
    """Return jobs of 1 to 4 LUNs on one head or two, of `names` on each: so few that most jobs meet others."""
    last: dict[Lun, int] = {}
    there: set[Lun] = set()
    jobs = []
    for number in range(count):
        chosen = random.sample(range(1, heads + 1), k=min(heads, random.choice((1, 1, 2))))
        all_luns = [Lun(head=head, name=f"h{head}n{each}") for head in sorted(chosen) for each in range(1, names + 1)]
        luns = tuple(random.sample(all_luns, k=min(len(all_luns), random.randint(1, CLONES_MOST))))
        kind = _kind(random, sum(lun in there for lun in luns) / len(luns))
        after = tuple(sorted({last[lun] for lun in luns if lun in last}))
        jobs.append(Job(number=number, kind=kind, luns=luns, after=after))
        last.update(dict.fromkeys(luns, number))
        there = there | set(luns) if kind is Kind.CREATE else there - set(luns)
    return tuple(jobs)


def _kind(random: Random, share_there: float) -> Kind:
    """Return mostly what changes something; now and then what is done already."""
    if random.random() < 0.15 + 0.7 * (1 - share_there):
        return Kind.CREATE
    return Kind.UNSHARE if random.random() < 0.2 else Kind.DELETE


def plan_strikes(
    random: Random, jobs: int, *, kills: int, stops: int, cuts: int, databases: int = 0
) -> tuple[Strike, ...]:
    """Return so many blows, in an order of chance, spread over the jobs."""
    blows = [Blow.STOP] * stops + [Blow.CUT] * cuts + [Blow.DATABASE] * databases + _kills(kills)
    random.shuffle(blows)
    step = 0.8 * jobs / max(1, len(blows))
    return tuple(
        Strike(
            blow=blow,
            due=int((place + random.random()) * step),
            pause_s=random.uniform(0, 0.5),
            is_aimed=random.random() < 0.8,
            choice=random.random(),
            lasts_s=random.uniform(1.0, 8.0),
            nth=random.randint(1, 15),
        )
        for place, blow in enumerate(blows)
    )


def _kills(count: int) -> list[Blow]:
    """Return the kinds of so many kills: one in six is the front's, one in ten all at once."""
    kinds: Sequence[Blow] = [
        Blow.KILL_FRONT if place % 6 == 2 else Blow.KILL_ALL if place % 10 == 5 else Blow.KILL for place in range(count)
    ]
    return list(kinds)

"""Accept jobs, and say what becomes of them. Who does them is a `Worker`, in this process or in another.

From `create` or `delete` on, a job survives the death of any process at any moment.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lunops.errors import JobError
from lunops.inventory import Inventory
from lunops.jobs.finished import unfinished_places
from lunops.jobs.outside import Clock, Outside, SteadyClock
from lunops.jobs.worker import Pacing, Worker
from lunops.model import Json, Plan
from lunops.planner import CloneRequest, DeleteRequest, plan_create, plan_delete
from lunops.store import Store
from lunops.store.accepting import TARGET
from lunops.store.rows import Cancel, Claim, Event, JobRecord, NewItem, NewJob, NewPart

__all__ = ["Again", "Clock", "Jobs", "Limits", "Outside", "Pacing", "SteadyClock", "Worker"]

_log = logging.getLogger("lunops.jobs")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many jobs are taken, and how long they may take."""

    queue_max: int = 10_000  # jobs that are not over, of all clients; 0: any number
    queue_max_per_client: int = 0
    deadline_s: float = 900.0  # from acceptance on, a head that cannot be reached is tried again for so long
    priorities: Mapping[str, int] = field(default_factory=dict)  # by a client's common name; the higher goes first


@dataclass(frozen=True, kw_only=True)
class Again:
    """That a job is another one's request once more."""

    how: str  # repeat | retry
    job_id: str


class Jobs:
    """The service behind the REST interface and the command line."""

    def __init__(
        self,
        store: Store,
        outside: Outside,
        *,
        limits: Limits = Limits(),
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        """`accepted` is called after each job that was accepted: a worker in this process need not wait then."""
        self._store = store
        self._outside = outside
        self._limits = limits
        self._accepted = accepted

    @property
    def inventory(self) -> Inventory:
        """The present inventory."""
        return self._outside.inventory()

    def create(
        self,
        clones: Sequence[CloneRequest],
        *,
        request: Json,
        client: str,
        again: Again | None = None,
        priority: int | None = None,
    ) -> str:
        """Accept a job that makes LUNs; return its id. Raises InputError, StoreError, and JobError for a conflict."""
        job_id = str(uuid.uuid4())
        inventory = self.inventory
        plan = plan_create(clones, inventory, self._outside.templates, run=job_id)
        items = [
            NewItem(head=inventory.host_for_pool(each.dst.pool).name, key=each.dst.name, wwn=each.wwn.name)
            for each in clones
        ]
        looked_at = {(item.head, each.src.dataset.name) for item, each in zip(items, clones, strict=True)}
        return self._accept("create", job_id, plan, items, looked_at, request, client, again, priority)

    def delete(
        self,
        clones: Sequence[DeleteRequest],
        *,
        request: Json,
        client: str,
        again: Again | None = None,
        priority: int | None = None,
    ) -> str:
        """Accept a job that removes LUNs; return its id. Raises InputError, StoreError, and JobError for a conflict."""
        job_id = str(uuid.uuid4())
        inventory = self.inventory
        plan = plan_delete(clones, inventory, run=job_id)
        items = [
            NewItem(
                head=inventory.host_for_pool(each.dst.pool).name,
                key=each.dst.name,
                wwn=each.wwn.name,
                keeps_clone=not each.delete_clone,
            )
            for each in clones
        ]
        return self._accept("delete", job_id, plan, items, set(), request, client, again, priority)

    def cancel(self, job_id: str, how: Cancel, *, by: str) -> None:
        """Ask for a job's end; it has come when the job is over. Raises JobError, StoreError."""
        clock = self._outside.clock
        self._store.cancel(job_id, how, by=by, at=clock.at(), at_s=clock.steady_s())
        self._accepted()

    def request(self, job_id: str) -> tuple[str, Json] | None:
        """Return the job's kind and what its client sent, or None if there is no such job."""
        return self._store.request(job_id)

    def failed_request(self, job_id: str) -> tuple[str, Json]:
        """Return the job's kind and what of its request is not done. Raises JobError if there is nothing to retry."""
        known, record = self._store.request(job_id), self._store.record(job_id)
        if known is None or record is None:
            raise JobError(f"there is no job {job_id}", fix="see: lunops jobs list")
        if not record.job.state.is_over:
            raise JobError(f"job {job_id} is not over", fix="wait for it, or cancel it")
        kind, sent = known
        places = unfinished_places(record)
        if not places:
            raise JobError(f"nothing of job {job_id} has failed", fix="repeat it, to have all of it done once more")
        return kind, {**sent, "clones": [sent["clones"][place] for place in places]}

    def record(self, job_id: str) -> tuple[JobRecord, float] | None:
        """Return all that is known of the job, and the time, or None if there is no such job."""
        record = self._store.record(job_id)
        return None if record is None else (record, self._outside.clock.steady_s())

    def events(self, job_id: str, *, after: int = 0, most: int = 1000) -> list[Event]:
        """Return events of a job in their order: those with a higher number than `after`."""
        return self._store.events(job_id, after=after, most=most)

    def _accept(
        self,
        kind: str,
        job_id: str,
        plan: Plan,
        items: Sequence[NewItem],
        looked_at: set[tuple[str, str]],
        request: Json,
        client: str,
        again: Again | None,
        priority: int | None,
    ) -> str:
        clock = self._outside.clock
        at = clock.at()
        new = NewJob(
            id=job_id,
            kind=kind,
            request=request,
            client=client,
            items=tuple(items),
            parts=tuple(NewPart(head=part.host.name, tasks=part.tasks) for part in plan.heads),
            claims=_claims(items, looked_at),
            priority=self._limits.priorities.get(common_name(client), 0) if priority is None else priority,
            deadline_at=at + self._limits.deadline_s,
            again="" if again is None else again.how,
            of_job="" if again is None else again.job_id,
        )
        self._store.accept(
            new,
            accepted_at=at,
            accepted_s=clock.steady_s(),
            most=self._limits.queue_max,
            most_of_client=self._limits.queue_max_per_client,
        )
        self._accepted()
        heads = ", ".join(part.head for part in new.parts)
        _log.info("accepted job %s: %s %d on %s, for %s", job_id, kind, len(items), heads, client)
        return job_id


def common_name(client: str) -> str:
    """Return the common name in the words for a client: `CN=alice,O=… sha256:…`."""
    name = client.partition(" sha256:")[0]
    for part in name.split(","):
        if part.strip().upper().startswith("CN="):
            return part.strip()[3:]
    return name


def _claims(items: Sequence[NewItem], looked_at: set[tuple[str, str]]) -> tuple[Claim, ...]:
    """Return the names that a job touches: those of its LUNs for itself, their images and parents beside others."""
    own = {(item.head, item.key) for item in items} | {(item.head, TARGET + item.wwn) for item in items}
    shared = set(looked_at)
    for item in items:
        folders = item.key.split("/")[1:-1]
        pool = item.key.split("/")[0]
        shared |= {(item.head, "/".join((pool, *folders[: n + 1]))) for n in range(len(folders))}
    return tuple(Claim(head=head, name=name, is_shared=(head, name) not in own) for head, name in sorted(own | shared))

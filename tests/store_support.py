"""What the tests of the store share: jobs as they are accepted, and a store that is told what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from lunops.model import ItemResult, Status, Task, TaskResult, Times
from lunops.store import Room, Store, Work
from lunops.store.keeping import ItemEnded, TaskBegun, TaskEnded
from lunops.store.rows import Claim, NewItem, NewJob, NewPart, State

TASK = "01:zfs_clone"


def new_job(
    name: str,
    *names: str,
    head: str = "h1",
    shared: Sequence[str] = (),
    client: str = "CN=alice",
    priority: int = 0,
    kind: str = "create",
) -> NewJob:
    """Return a job for these datasets on one head, that looks at the shared ones."""
    task = Task(id=TASK, name="Make the clones", module="zfs_clone", items=())
    claims = [Claim(head=head, name=each) for each in names]
    claims += [Claim(head=head, name=f"target iqn:{each}") for each in names]
    claims += [Claim(head=head, name=each, is_shared=True) for each in shared]
    return NewJob(
        id=name,
        kind=kind,
        request={"clones": list(names)},
        client=client,
        items=tuple(NewItem(head=head, key=each, wwn=f"iqn:{each}") for each in names),
        parts=(NewPart(head=head, tasks=(task,)),),
        claims=tuple(claims),
        priority=priority,
    )


def accept(store: Store, *jobs: NewJob, at: float = 100.0) -> None:
    for job in jobs:
        store.accept(job, accepted_at=at, accepted_s=at)


def admit(store: Store, limit: int = 10, at: float = 200.0) -> list[str]:
    """Let through what may go; return the ids of the jobs, in the order in which they go."""
    return [job_of(each.workflow_id) for each in store.admit(lambda _head: Room(limit=limit), at=at, at_s=at)]


def job_of(workflow_id: str) -> str:
    return workflow_id.split("-")[1]


def workflow_of(store: Store, job: str) -> str:
    record = store.record(job)
    assert record is not None
    return record.parts[0].workflow_id


def begin(store: Store, job: str, token: str = "mine", worker: str = "w:1") -> Work:
    work = store.begin(workflow_of(store, job), token, worker=worker, at=300.0, at_s=300.0)
    assert work is not None
    return work


def begun(task: str = TASK, at: float = 310.0) -> TaskBegun:
    return TaskBegun(task_id=task, module="zfs_clone", items=1, at=at, at_s=at)


def item(key: str, status: Status = Status.CHANGED, at: float = 311.0) -> ItemEnded:
    result = ItemResult(key=key, status=status, changes=("zfs clone",), seconds=0.5)
    return ItemEnded(task_id=TASK, module="zfs_clone", item=result, at=at, at_s=at)


def ended(*keys: str, at: float = 312.0) -> TaskEnded:
    result = TaskResult(
        head="h1",
        task_id=TASK,
        name="x",
        module="zfs_clone",
        status=Status.CHANGED,
        items=tuple(ItemResult(key=key, status=Status.CHANGED) for key in keys),
        times=Times(wait_s=0.25, connect_s=0.5, run_s=0.75, transfer_s=0.125),
    )
    return TaskEnded(task_id=TASK, result=result, at=at, at_s=at)


def end(store: Store, work: Work, state: State = State.COMPLETE) -> None:
    store.end(work, state, at=400.0, at_s=400.0)


def state(store: Store, job: str) -> str:
    record = store.record(job)
    assert record is not None
    return str(record.job.state)

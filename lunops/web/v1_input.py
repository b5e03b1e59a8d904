"""Check the bodies of REST v1.0: every problem at once, each with its item, its field and how to mend it.

What is right is accepted as a job (`accept`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import from_json

from lunops.errors import InputError, InventoryError
from lunops.inventory import Inventory
from lunops.jobs import Again, Jobs
from lunops.model import Json
from lunops.modules.base import DatasetName, IqnName, SnapshotName
from lunops.modules.zfs import PropertyName, PropertyValue
from lunops.planner import CloneRequest, DeleteRequest
from lunops.validate import Checked, Problem, bad_value, check
from lunops.web.reply import short

_ITEM = re.compile(r"clones\[(\d+)\]\.?")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request. Without `item` it is wrong as a whole."""

    message: str
    item: int | None = None
    field: str = ""
    fix: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it as the reply has it, without what is empty."""
        texts = {"field": self.field, "message": self.message, "fix": self.fix}
        values = {"item": self.item, **{name: short(text) for name, text in texts.items()}}
        return {name: value for name, value in values.items() if value not in (None, "")}


class FaultsError(InputError):
    """A request is refused; `faults` is not empty."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        place = "" if first.item is None else f"clones[{first.item}]" + (f".{first.field}" if first.field else "")
        place = place or first.field
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        super().__init__(f"{place}: {first.message}{more}" if place else first.message + more, fix=first.fix)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise bad_value(f"must be true, false, 1 or 0, not {value!r}", "write true or false, without quotes")


Flag = Annotated[bool, BeforeValidator(_flag)]


class _Clone(Checked):
    src: SnapshotName
    dst: DatasetName
    wwn: IqnName
    initiators: Annotated[list[IqnName], Field(min_length=1)]
    createParent: Flag = False
    properties: dict[PropertyName, PropertyValue | int] = Field(default_factory=dict)


class _Delete(Checked):
    dst: DatasetName
    wwn: IqnName
    deleteClones: Flag | None = None
    deleteClone: Flag | None = None
    # A client may send what it created with: what a delete does not need is not looked at.
    src: Any = None
    initiators: Any = None
    createParent: Any = None
    properties: Any = None


class _Create(Checked):
    clones: Annotated[list[_Clone], Field(min_length=1)]


class _DeleteBody(Checked):
    clones: Annotated[list[_Delete], Field(min_length=1)]


class _Repeat(Checked):
    id: Annotated[str, Field(max_length=100)]


def read_json(body: bytes) -> dict[str, Json]:
    """Return the JSON object in a body. Raises FaultsError.

    Not by `json`: it takes NaN and lone surrogates, and fails on deep nesting with what is no error of input.
    """
    fix = 'send a JSON object in UTF-8, such as {"clones": [{…}]}'
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise FaultsError([Fault(message=f"the body is not JSON: {error}", fix=fix)]) from error
    if not isinstance(value, dict):
        raise FaultsError([Fault(message="the body is not a JSON object", fix=fix)])
    return value


def create_requests(body: Json, inventory: Inventory, items_max: int) -> tuple[CloneRequest, ...]:
    """Return the clones that a POST asks for. Raises FaultsError with every fault of the batch."""
    _refuse_too_many(body, items_max)
    checked, problems = check(_Create, body)
    if checked is None:
        raise FaultsError([_fault(each) for each in problems])
    clones = tuple(
        CloneRequest(
            src=each.src,
            dst=each.dst,
            wwn=each.wwn,
            initiators=tuple(dict.fromkeys(each.initiators)),
            create_parent=each.createParent,
            properties={name: str(value) for name, value in each.properties.items()},
        )
        for each in checked.clones
    )
    faults = []
    for place, clone in enumerate(clones):
        if clone.src.dataset.pool != clone.dst.pool:
            fix = f"a clone stays in the pool of its snapshot: write a dst in {clone.src.dataset.pool}"
            what = f"{clone.dst} is not in the pool of {clone.src}"
            faults.append(Fault(item=place, field="dst", message=what, fix=fix))
    _refuse([*faults, *_batch(clones, inventory)])
    return clones


def delete_requests(body: Json, inventory: Inventory, items_max: int) -> tuple[DeleteRequest, ...]:
    """Return the LUNs that a DELETE asks to remove. Raises FaultsError with every fault of the batch."""
    _refuse_too_many(body, items_max)
    checked, problems = check(_DeleteBody, body)
    if checked is None:
        raise FaultsError([_fault(each) for each in problems])
    faults = []
    for place, each in enumerate(checked.clones):
        if None not in (each.deleteClones, each.deleteClone) and each.deleteClones != each.deleteClone:
            what = "deleteClones and deleteClone say different things"
            faults.append(Fault(item=place, field="deleteClones", message=what, fix="send one of them"))
    clones = tuple(
        DeleteRequest(dst=each.dst, wwn=each.wwn, delete_clone=bool(each.deleteClones or each.deleteClone))
        for each in checked.clones
    )
    _refuse([*faults, *_batch(clones, inventory)])
    return clones


def repeat_id(body: Json) -> str:
    """Return the id that a repeat names. Raises FaultsError."""
    checked, problems = check(_Repeat, body)
    if checked is None:
        raise FaultsError([_fault(each) for each in problems])
    return checked.id


def faults_of(error: InputError) -> tuple[Fault, ...]:
    """Return what the planner found, with the item and field that it names."""
    if isinstance(error, FaultsError):
        return error.faults
    item, field = _place(error.where)
    where = f" ({error.where})" if error.where and item is None else ""
    return (Fault(message=error.what + where, item=item, field=field, fix=error.fix),)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise FaultsError(sorted(faults, key=lambda fault: -1 if fault.item is None else fault.item))


def _refuse_too_many(body: Json, items_max: int) -> None:
    items = body.get("clones") if isinstance(body, Mapping) else None
    if isinstance(items, list) and len(items) > items_max:
        what = f"{len(items)} clones in one request, where {items_max} may be"
        raise FaultsError([Fault(field="clones", message=what, fix="send several requests")])


def _batch(clones: Sequence[CloneRequest | DeleteRequest], inventory: Inventory) -> list[Fault]:
    faults = [*_twice("dst", [each.dst.name for each in clones]), *_twice("wwn", [each.wwn.name for each in clones])]
    for place, clone in enumerate(clones):
        if clone.dst.name == clone.dst.pool:
            what = f"{clone.dst} is a pool, not a place for a clone"
            faults.append(Fault(item=place, field="dst", message=what, fix="write POOL/NAME"))
        try:
            inventory.host_for_pool(clone.dst.pool)
        except InventoryError as error:
            faults.append(Fault(item=place, field="dst", message=error.what, fix=error.fix))
    return faults


def _twice(field: str, names: Sequence[str]) -> list[Fault]:
    first: dict[str, int] = {}
    faults = []
    for place, name in enumerate(names):
        if (before := first.setdefault(name, place)) != place:
            what = f"{name} is asked for twice, in items {before} and {place}"
            faults.append(Fault(item=place, field=field, message=what, fix="leave one out, or send it later"))
    return faults


def _fault(problem: Problem) -> Fault:
    item, field = _place(problem.path)
    return Fault(message=problem.what, item=item, field=field, fix=problem.fix)


def _place(path: str) -> tuple[int | None, str]:
    match = _ITEM.match(path)
    return (int(match[1]), path[match.end() :]) if match else (None, path)


def accept(
    jobs: Jobs,
    kind: str,
    request: Json,
    items_max: int,
    *,
    client: str,
    again: Again | None = None,
    priority: int | None = None,
) -> str:
    """Check a request of this kind and accept it as a job; return its id. Raises InputError, JobError, StoreError."""
    if kind == "create":
        clones = create_requests(request, jobs.inventory, items_max)
        return jobs.create(clones, request=request, client=client, again=again, priority=priority)
    gone = delete_requests(request, jobs.inventory, items_max)
    return jobs.delete(gone, request=request, client=client, again=again, priority=priority)

"""Turn what was asked for, a request or a playbook, into a plan: per head, the ordered tasks with all their items.

Every error is found here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lunops.errors import BadValueError, InputError, InventoryError, LunopsError
from lunops.inventory import Inventory
from lunops.model import HeadPlan, Host, Item, Json, Plan
from lunops.modules import MODULES, Context
from lunops.names import Dataset, Iqn, Snapshot
from lunops.planner.task import make_task, refuse_twice
from lunops.render import Templates
from lunops.together import raise_all

_Steps = Mapping[str, tuple[str, Sequence[Mapping[str, Json] | None]]]  # module → task name, arguments of each clone

__all__ = ["CloneRequest", "DeleteRequest", "plan_create", "plan_delete"]


@dataclass(frozen=True, kw_only=True)
class CloneRequest:
    """One LUN to make."""

    src: Snapshot
    dst: Dataset
    wwn: Iqn
    initiators: tuple[Iqn, ...]
    create_parent: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeleteRequest:
    """One LUN to take away, with or without the clone behind it."""

    dst: Dataset
    wwn: Iqn
    delete_clone: bool = False


def plan_create(clones: Sequence[CloneRequest], inventory: Inventory, templates: Templates, *, run: str = "") -> Plan:
    """Return the plan that makes these LUNs: per head, clone, wait for the device, export.

    `run` is the mark of whoever runs it: what carries it, an interrupted run goes on with or takes back.
    Raises `InputError` whose place is `clones[N]`, with every error of the batch.
    """
    steps: _Steps = {
        "zfs_clone": ("Make the clones", [_clone_args(clone) for clone in clones]),
        "wait_for_device": ("Wait for the devices", [{"dataset": clone.dst.name} for clone in clones]),
        "lio_target": ("Export the targets", [_target_args(clone) for clone in clones]),
    }
    return _plan("create", clones, inventory, templates, steps, run)


def plan_delete(
    clones: Sequence[DeleteRequest], inventory: Inventory, templates: Templates | None = None, *, run: str = ""
) -> Plan:
    """Return the plan that takes these LUNs away: per head, unshare, then destroy the clones that are to go.

    Raises `InputError` whose place is `clones[N]`, with every error of the batch.
    """
    steps: _Steps = {
        "lio_absent": ("Remove the targets", [_absent_args(each) for each in clones]),
        "zfs_destroy": (
            "Destroy the clones",
            [{"dataset": each.dst.name} if each.delete_clone else None for each in clones],
        ),
    }
    return _plan("delete", clones, inventory, templates or Templates({}), steps, run)


def _plan(
    name: str,
    clones: Sequence[CloneRequest | DeleteRequest],
    inventory: Inventory,
    templates: Templates,
    steps: _Steps,
    run: str,
) -> Plan:
    """Return a plan of one task a step on every head that holds one of the pools, in the inventory's order."""
    if not clones:
        raise BadValueError("the batch is empty", where="clones", fix="give at least one")
    errors: list[LunopsError] = []
    hosts = [_host(clone.dst, f"clones[{place}]", inventory, errors) for place, clone in enumerate(clones)]
    refuse_twice("dst", [clone.dst.name for clone in clones], errors)
    refuse_twice("wwn", [clone.wwn.name for clone in clones], errors)
    raise_all(errors)
    heads = []
    for host in inventory.hosts.values():
        mine = [place for place, owner in enumerate(hosts) if owner is host]
        if not mine:
            continue
        context = Context(host=host, templates=templates, run=run, hosts=inventory.hosts)
        tasks = []
        for number, (module, (title, args)) in enumerate(steps.items(), 1):
            items = list(_items(module, {place: args[place] for place in mine}, context, errors))
            if items:
                tasks.append(make_task(number, title, module, items, run=run))
        heads.append(HeadPlan(host=host, tasks=tuple(tasks)))
    raise_all(errors)
    return Plan(name=name, heads=tuple(heads))


def _host(dataset: Dataset, where: str, inventory: Inventory, errors: list[LunopsError]) -> Host | None:
    try:
        return inventory.host_for_pool(dataset.pool)
    except InventoryError as error:
        errors.append(InventoryError(error.what, where=f"{where}.dst", fix=error.fix))
        return None


def _items(
    module: str, args: Mapping[int, Mapping[str, Json] | None], context: Context, errors: list[LunopsError]
) -> Iterable[Item]:
    for place, each in args.items():
        if each is None:
            continue
        try:
            yield MODULES[module].item(dict(each), context, f"clones[{place}]")
        except InputError as error:
            errors.append(error if error.where.startswith("clones[") else error.at(f"clones[{place}]"))


def _clone_args(clone: CloneRequest) -> dict[str, Json]:
    return {
        "src": str(clone.src),
        "dst": clone.dst.name,
        "wwn": clone.wwn.name,
        "create_parent": clone.create_parent,
        "properties": dict(clone.properties),
    }


def _target_args(clone: CloneRequest) -> dict[str, Json]:
    return {
        "dataset": clone.dst.name,
        "wwn": clone.wwn.name,
        "initiators": [initiator.name for initiator in clone.initiators],
    }


def _absent_args(clone: DeleteRequest) -> dict[str, Json]:
    then = {"then_destroy": True} if clone.delete_clone else {}
    return {"dataset": clone.dst.name, "wwn": clone.wwn.name, **then}

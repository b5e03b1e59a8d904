"""The modules for ZFS: make clones, destroy clones."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lunops.errors import BadValueError
from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, IqnName, Module, SnapshotName, in_pool_of
from lunops.validate import Checked, bad_value

MANAGED, LUN, SERIAL, MADE = "lunops:managed", "lunops:lun", "lunops:serial", "lunops:made"


def _property(name: str) -> str:
    if name.startswith("lunops:"):
        raise bad_value(f"the property {name!r} is lunops' own mark", "leave it out")
    return name


# zfsprops(7): native names are lower-case letters and digits, user properties have a colon
PropertyName = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9:_.@-]*\z", max_length=255), AfterValidator(_property)]
PropertyValue = Annotated[str, Field(pattern=r"\A[^\x00-\x1f\x7f]*\z", max_length=8191)]


class ZfsClone(Checked):
    """A clone of a snapshot, marked with the LUN that it is for."""

    src: SnapshotName = Field(description="the snapshot to clone")
    dst: DatasetName = Field(description="the clone, in the snapshot's own pool")
    wwn: IqnName | None = Field(default=None, description="the target that it will be exported as")
    create_parent: bool = Field(default=False, description="make the file systems above it that are missing")
    properties: dict[PropertyName, PropertyValue | int] = Field(
        default_factory=dict, description="ZFS properties to set on it"
    )


class ZfsDestroy(Checked):
    """A clone to destroy."""

    dataset: DatasetName = Field(description="what to destroy, exactly that one")


def _clone(args: ZfsClone, context: Context) -> Item:
    destination = in_pool_of(context.host, args.dst)
    if args.src.dataset.pool != args.dst.pool:
        raise BadValueError(
            f"{args.dst} is not in the pool of {args.src}", fix="name one in the same pool: a clone cannot leave it"
        )
    if args.dst.name == args.dst.pool:
        raise BadValueError(f"{args.dst} is a pool, not a place for a clone", fix="write POOL/NAME")
    marks = {MANAGED: "1"}
    if args.wwn is not None:
        marks |= {LUN: args.wwn.name, SERIAL: args.wwn.serial(context.host.name)}
    if context.run:
        marks[MADE] = context.run
    storage_object = args.wwn.storage_object() if args.wwn else ""  # what it will be exported by
    return Item(
        key=destination,
        args={
            "src": str(args.src),
            "dst": destination,
            "create_parent": args.create_parent,
            "properties": {name: str(value) for name, value in args.properties.items()},
            "marks": marks,
            "storage_object": storage_object,
        },
        perhaps=(("perhaps", destination, context.run, storage_object),) if context.run else (),
    )


def _destroy(args: ZfsDestroy, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    return Item(key=dataset, args={"dataset": dataset})


ZFS_CLONE = Module(name="zfs_clone", summary="make a clone of a snapshot", args=ZfsClone, expand=_clone)
ZFS_DESTROY = Module(name="zfs_destroy", summary="destroy a clone that lunops made", args=ZfsDestroy, expand=_destroy)

MODULES: tuple[AnyModule, ...] = (ZFS_CLONE, ZFS_DESTROY)

"""The modules for ZFS: make clones; destroy what lunops made."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from lunops.errors import BadValueError
from lunops.model import Item
from lunops.modules.base import (
    AnyModule,
    Context,
    DatasetName,
    ForceKind,
    IqnName,
    Module,
    SnapshotName,
    in_pool_of,
    perhaps_made,
)
from lunops.validate import Checked, bad_value

MANAGED, LUN, SERIAL, MADE = "lunops:managed", "lunops:lun", "lunops:serial", "lunops:made"


# zfs's own short names (zfs_prop.c), which `zfs get` answers by the full ones
_SHORT_NAMES = {
    "avail": "available",
    "compress": "compression",
    "ratio": "compressratio",
    "rdonly": "readonly",
    "recsize": "recordsize",
    "refer": "referenced",
    "refreserv": "refreservation",
    "reserv": "reservation",
    "volblock": "volblocksize",
}


def _property(name: str) -> str:
    if name.startswith("lunops:"):
        raise bad_value(f"the property {name!r} is lunops' own mark", "leave it out")
    return _SHORT_NAMES.get(name, name)


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


# Why destroying cannot override a kind of use: told to whoever asks for it.
_NEVER = {
    "sessions": "the kernel keeps the volume open for its initiators: unshare it first (lio_absent)",
    "exported": "the kernel keeps the volume open for LIO: unshare it first (lio_absent)",
    "holders": "the kernel keeps the volume open for its holders: unmount or deactivate it first",
    "clones": "they would be destroyed too: destroy or promote each by its own name first",
    "children": "they would be destroyed too: destroy each by its own name first",
    "shrink": "it is for zfs_resize",
}


def _destroy_force(kind: ForceKind) -> ForceKind:
    if kind in _NEVER:
        raise bad_value(f"zfs_destroy cannot force {kind!r}: {_NEVER[kind]}", "force may be: unmarked, snapshots")
    return kind


class ZfsDestroy(Checked):
    """A volume, file system or snapshot to destroy, exactly that one.

    `force`: `unmarked` destroys what lunops did not make, `snapshots` destroys its snapshots first, one by one.
    """

    dataset: DatasetName | None = Field(default=None, description="the volume or file system, exactly that one")
    snapshot: SnapshotName | None = Field(default=None, description="the snapshot, instead of a dataset")
    force: list[Annotated[ForceKind, AfterValidator(_destroy_force)]] = Field(
        default_factory=list, description="what to destroy it in spite of: `unmarked`, `snapshots`"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.dataset is None) == (self.snapshot is None):
            raise bad_value("give one of 'dataset' and 'snapshot'", "such as dataset: tank/nodes/n1")
        if self.dataset is not None and self.dataset.name == self.dataset.pool:
            raise bad_value(f"{self.dataset} is a pool, and pools are not destroyed", "write POOL/NAME")
        return self


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
        perhaps=perhaps_made(context, destination, storage_object),
    )


def _destroy(args: ZfsDestroy, context: Context) -> Item:
    force = {"force": list(args.force)} if args.force else {}
    if args.snapshot is not None:
        in_pool_of(context.host, args.snapshot.dataset)
        snapshot = str(args.snapshot)
        return Item(key=snapshot, args={"snapshot": snapshot, **force})
    assert args.dataset is not None  # one of the two is given
    dataset = in_pool_of(context.host, args.dataset)
    return Item(key=dataset, args={"dataset": dataset, **force})


ZFS_CLONE = Module(name="zfs_clone", summary="make a clone of a snapshot", args=ZfsClone, expand=_clone)
ZFS_DESTROY = Module(name="zfs_destroy", summary="destroy what lunops made", args=ZfsDestroy, expand=_destroy)

MODULES: tuple[AnyModule, ...] = (ZFS_CLONE, ZFS_DESTROY)

"""The modules for volumes and file systems: make them, set their properties, resize them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from lunops.errors import BadValueError
from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, ForceKind, Module, in_pool_of, perhaps_made
from lunops.modules.zfs import MADE, MANAGED, PropertyName, PropertyValue
from lunops.names import Dataset, Size
from lunops.validate import Checked, bad_value, checker

SizeValue = Annotated[Size, PlainValidator(checker(Size.parse))]
_BLOCKS = tuple(1 << shift for shift in range(9, 21))  # SPA_MINBLOCKSIZE to SPA_MAXBLOCKSIZE's default

# What other arguments or modules are for.
_ELSEWHERE = {
    "volsize": "resize a volume with zfs_resize",
    "volblocksize": "say block_size",
    "refreservation": "say sparse, or set it with zfs_set",
}


def _block(size: Size) -> Size:
    if size.size_bytes not in _BLOCKS:
        raise bad_value(f"a block size of {size} is none that ZFS takes", "write a power of 2 from 512 to 1M")
    return size


def _resize_force(kind: ForceKind) -> ForceKind:
    if kind not in ("shrink", "sessions", "holders", "unmarked"):
        raise bad_value(
            f"{kind!r} does not stand against a resize", "force may be: shrink, sessions, holders, unmarked"
        )
    return kind


Properties = dict[PropertyName, PropertyValue | int]


class ZfsVolume(Checked):
    """A volume to make; `sparse` reserves no space for it. The size is rounded up to whole blocks, as zfs does."""

    dataset: DatasetName = Field(description="the volume")
    size: SizeValue = Field(description="bytes, or as zfs writes it: `10G`, `512M`")
    sparse: bool = Field(default=False, description="reserve no space for it")
    block_size: Annotated[SizeValue, AfterValidator(_block)] | None = Field(
        default=None, description="a power of 2 from 512 to 1M, fixed for ever; ZFS' own default where it is left out"
    )
    properties: Properties = Field(default_factory=dict, description="ZFS properties to set on it")
    create_parent: bool = Field(default=False, description="make the file systems above it that are missing")

    @model_validator(mode="after")
    def _own(self) -> Self:
        for name in self.properties:
            if name in _ELSEWHERE:
                raise bad_value(f"{name} is not a property to make a volume with", _ELSEWHERE[name])
        return self


class ZfsFilesystem(Checked):
    """A file system to make."""

    dataset: DatasetName = Field(description="the file system")
    properties: Properties = Field(default_factory=dict, description="ZFS properties to set on it")
    create_parent: bool = Field(default=False, description="make the file systems above it that are missing")


class ZfsSet(Checked):
    """Properties of a dataset to set, and those to inherit."""

    dataset: DatasetName = Field(description="the volume or file system")
    properties: Properties = Field(default_factory=dict, description="what to set; only what differs is set")
    inherit: list[PropertyName] = Field(default_factory=list, description="names of properties to inherit again")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.properties and not self.inherit:
            raise bad_value("there is nothing to set", "give properties, or names to inherit")
        if both := sorted(set(self.properties) & set(self.inherit)):
            raise bad_value(f"{both[0]} is to be set and to be inherited", "say one of them")
        if "volsize" in (*self.properties, *self.inherit):
            raise bad_value("volsize is not set as a property", _ELSEWHERE["volsize"])
        return self


class ZfsResize(Checked):
    """A volume to grow, or with `force: [shrink]` to shrink, which loses what lies behind the new end.

    `force`: `shrink`; and for a shrink `sessions`, `holders` and `unmarked`, by their names.
    """

    dataset: DatasetName = Field(description="the volume")
    size: SizeValue = Field(description="its new size: bytes, or `10G`, `512M`")
    force: list[Annotated[ForceKind, AfterValidator(_resize_force)]] = Field(
        default_factory=list,
        description="what to resize it in spite of: `shrink`, and with it `sessions`, `holders`, `unmarked`",
    )


def _new(dataset: Dataset, context: Context, what: str) -> tuple[str, dict[str, str]]:
    """Return the name of a dataset to make, and its marks."""
    name = in_pool_of(context.host, dataset)
    if name == dataset.pool:
        raise BadValueError(f"{name} is a pool, not a place for a {what}", fix="write POOL/NAME")
    return name, {MANAGED: "1", **({MADE: context.run} if context.run else {})}


def _texts(properties: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {name: str(value) for name, value in properties}


def _volume(args: ZfsVolume, context: Context) -> Item:
    dataset, marks = _new(args.dataset, context, "volume")
    return Item(
        key=dataset,
        args={
            "dataset": dataset,
            "size": args.size.size_bytes,
            "sparse": args.sparse,
            "block_size": args.block_size.size_bytes if args.block_size else None,
            "properties": _texts(args.properties.items()),
            "create_parent": args.create_parent,
            "marks": marks,
        },
        perhaps=perhaps_made(context, dataset),
    )


def _filesystem(args: ZfsFilesystem, context: Context) -> Item:
    dataset, marks = _new(args.dataset, context, "file system")
    return Item(
        key=dataset,
        args={
            "dataset": dataset,
            "properties": _texts(args.properties.items()),
            "create_parent": args.create_parent,
            "marks": marks,
        },
        perhaps=perhaps_made(context, dataset),
    )


def _set(args: ZfsSet, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    return Item(
        key=dataset,
        args={"dataset": dataset, "properties": _texts(args.properties.items()), "inherit": sorted(set(args.inherit))},
    )


def _resize(args: ZfsResize, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    return Item(key=dataset, args={"dataset": dataset, "size": args.size.size_bytes, "force": list(args.force)})


ZFS_VOLUME = Module(name="zfs_volume", summary="make a volume", args=ZfsVolume, expand=_volume)
ZFS_FILESYSTEM = Module(name="zfs_filesystem", summary="make a file system", args=ZfsFilesystem, expand=_filesystem)
ZFS_SET = Module(name="zfs_set", summary="set or inherit properties", args=ZfsSet, expand=_set)
ZFS_RESIZE = Module(name="zfs_resize", summary="grow or shrink a volume", args=ZfsResize, expand=_resize)

MODULES: tuple[AnyModule, ...] = (ZFS_VOLUME, ZFS_FILESYSTEM, ZFS_SET, ZFS_RESIZE)

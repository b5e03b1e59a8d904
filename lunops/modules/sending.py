"""The module that brings an image to another head."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lunops.errors import BadValueError
from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, Module, SnapshotName, in_pool_of
from lunops.modules.zfs import MADE, MANAGED
from lunops.near import hint
from lunops.validate import Checked

_LONGEST_S = 86400.0  # of one task's streams; what goes wrong is found by `stall_s` long before


class ZfsSend(Checked):
    """A snapshot, and the head and dataset that are to have it too."""

    src: SnapshotName = Field(description="the snapshot to send, on the head of the play")
    to: Annotated[str, Field(min_length=1)] = Field(description="the head of the inventory that is to have it too")
    dst: DatasetName = Field(description="what it is to be on that head")
    create_parent: bool = Field(default=False, description="make the file systems above it that are missing")
    force: list[Literal["sessions", "exported", "unmarked"]] = Field(
        default_factory=list, description="what to send it in spite of, each by its name"
    )
    stall_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = Field(
        default=120, description="how many seconds without one byte end the stream"
    )


def _send(args: ZfsSend, context: Context) -> Item:
    in_pool_of(context.host, args.src.dataset)
    peer = context.hosts.get(args.to)
    if peer is None:
        others = [name for name in context.hosts if name != context.host.name]
        raise BadValueError(f"to: the inventory has no head {args.to!r}", fix=hint(args.to, others, "other heads"))
    if peer.name == context.host.name:
        raise BadValueError(
            f"to: {args.to} is the head that {args.src} is on", fix="name another head; on one head, clone it"
        )
    if args.dst.pool == args.src.dataset.pool:
        raise BadValueError(
            f"dst: {args.dst} is in the pool of {args.src}, and a pool is on one head",
            fix=hint(args.dst.pool, peer.pools, f"pools of {peer.name}"),
        )
    destination = in_pool_of(peer, args.dst)
    if destination == args.dst.pool:
        raise BadValueError(f"dst: {args.dst} is a pool, not a place for an image", fix="write POOL/NAME")
    return Item(
        key=destination,
        args={
            "src": str(args.src),
            "to": peer.name,
            "dst": destination,
            "create_parent": args.create_parent,
            "force": list(args.force),
            "marks": {MANAGED: "1", **({MADE: context.run} if context.run else {})},
            "stall_s": args.stall_s,
            "timeout_s": _LONGEST_S,
        },
        peer=peer,
    )


ZFS_SEND = Module(name="zfs_send", summary="bring a snapshot to another head", args=ZfsSend, expand=_send)

MODULES: tuple[AnyModule, ...] = (ZFS_SEND,)

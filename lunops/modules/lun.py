"""The module for a LUN as a whole: clone, wait for its device and export it, or take all of that away."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, IqnName, Module, SnapshotName
from lunops.modules.device import WAIT_FOR_DEVICE, WaitForDevice
from lunops.modules.lio import DEFAULT_TEMPLATE, LIO_ABSENT, LIO_TARGET, Force, LioAbsent, LioTarget
from lunops.modules.zfs import ZFS_CLONE, ZFS_DESTROY, PropertyName, PropertyValue, ZfsClone, ZfsDestroy
from lunops.validate import Checked, bad_value


class Lun(Checked):
    """A clone of a snapshot, exported as a target; or one that is to go."""

    state: Literal["present", "absent"] = Field(default="present", description="`absent` takes it away")
    src: SnapshotName | None = Field(default=None, description="the snapshot to clone; for `present`")
    dst: DatasetName = Field(description="the clone, in the snapshot's own pool")
    wwn: IqnName = Field(description="the target's name")
    initiators: Annotated[list[IqnName], Field(min_length=1)] | None = Field(
        default=None, description="who may log in; for `present`"
    )
    create_parent: bool = Field(default=False, description="make the file systems above the clone that are missing")
    properties: dict[PropertyName, PropertyValue | int] = Field(
        default_factory=dict, description="ZFS properties to set on the clone"
    )
    template: str = Field(default=DEFAULT_TEMPLATE, description="the template that its fragment is rendered from")
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = Field(
        default=60, description="how many seconds to wait for its device"
    )
    delete_clone: bool = Field(default=False, description="for `absent`: destroy the clone, too, and all that is in it")
    force: Force = Field(default_factory=list, description="`sessions`: in spite of who is logged in")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.state == "present":
            if missing := [name for name in ("src", "initiators") if getattr(self, name) is None]:
                raise bad_value(f"{missing[0]!r} is missing", f"give {missing[0]}, or state: absent")
            if self.delete_clone:
                raise bad_value("'delete_clone' is for state: absent", "leave it out")
        elif given := self.model_fields_set & {"src", "initiators", "create_parent", "properties", "template"}:
            raise bad_value(f"{min(given)!r} is not for state: absent", "leave it out")
        return self


def _expand(args: Lun, context: Context) -> Item:
    return _present(args, context) if args.state == "present" else _absent(args, context)


# The parts are checked already, as the fields of the whole.
def _present(args: Lun, context: Context) -> Item:
    clone = ZFS_CLONE.expand(
        ZfsClone.model_construct(
            src=args.src,
            dst=args.dst,
            wwn=args.wwn,
            create_parent=args.create_parent,
            properties=args.properties,
        ),
        context,
    )
    device = WAIT_FOR_DEVICE.expand(WaitForDevice.model_construct(dataset=args.dst, timeout_s=args.timeout_s), context)
    target = LIO_TARGET.expand(
        LioTarget.model_construct(
            dataset=args.dst,
            wwn=args.wwn,
            initiators=args.initiators or [],
            template=args.template,
            force=args.force,
        ),
        context,
    )
    parts = {"zfs_clone": clone, "wait_for_device": device, "lio_target": target}
    return Item(key=clone.key, args={name: part.args for name, part in parts.items()}, perhaps=clone.perhaps)


def _absent(args: Lun, context: Context) -> Item:
    unshare = LIO_ABSENT.expand(
        LioAbsent.model_construct(dataset=args.dst, wwn=args.wwn, force=args.force, then_destroy=args.delete_clone),
        context,
    )
    parts = {"lio_absent": unshare.args}
    if args.delete_clone:
        parts["zfs_destroy"] = ZFS_DESTROY.expand(ZfsDestroy.model_construct(dataset=args.dst), context).args
    return Item(key=unshare.key, args=parts)


LUN: AnyModule = Module(name="lun", summary="clone and export in one, or take both away", args=Lun, expand=_expand)

MODULES: tuple[AnyModule, ...] = (LUN,)

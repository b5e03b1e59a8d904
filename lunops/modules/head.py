"""The modules for a head as a whole: that it serves its LUNs after a boot, and how it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, Module
from lunops.validate import Checked

HEAD = "head"  # the key of an item that is no dataset, but the head itself


class BootOrder(Checked):
    """Whether the head waits for its volumes before it restores its targets, and for how long at most."""

    state: Literal["present", "absent"] = Field(default="present", description="`absent` takes it away again")
    wait_s: Annotated[int, Field(gt=0, le=3600)] = Field(
        default=120, description="how many seconds the targets wait for their volumes at most"
    )


def _boot_order(args: BootOrder, context: Context) -> Item:  # noqa: ARG001 - every head is treated alike
    return Item(key=HEAD, args={"state": args.state, "wait_s": args.wait_s})


BOOT_ORDER = Module(
    name="boot_order", summary="have targets restored at boot after their volumes", args=BootOrder, expand=_boot_order
)


class Doctor(Checked):
    """How bad a finding has to be for the task to fail."""

    fail_on: Literal["error", "warning", "never"] = Field(default="error", description="the least finding that does")


def _doctor(args: Doctor, context: Context) -> Item:
    return Item(key=HEAD, args={"fail_on": args.fail_on, "pools": list(context.host.pools)})


DOCTOR = Module(name="doctor", summary="look for what is wrong on a head", args=Doctor, expand=_doctor)

MODULES: tuple[AnyModule, ...] = (BOOT_ORDER, DOCTOR)

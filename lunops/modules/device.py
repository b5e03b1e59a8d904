"""The module that waits for block devices."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, Module, in_pool_of
from lunops.validate import Checked


class WaitForDevice(Checked):
    """A volume whose device is to be there."""

    dataset: DatasetName = Field(description="the volume")
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = Field(
        default=60, description="how many seconds to wait for it"
    )


def _wait(args: WaitForDevice, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    return Item(key=dataset, args={"dataset": dataset, "timeout_s": args.timeout_s})


WAIT_FOR_DEVICE = Module(
    name="wait_for_device", summary="wait for a volume's device, mending a lost link", args=WaitForDevice, expand=_wait
)

MODULES: tuple[AnyModule, ...] = (WAIT_FOR_DEVICE,)

"""The modules that hold a head to what is recorded of its LUNs: look, mend, take in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, Module, in_pool_of
from lunops.names import LunName
from lunops.validate import Checked, checker


class Drift(Checked):
    """Nothing: the whole head is looked at."""


class Reconcile(Checked):
    """Which LUN to mend: its IQN, its volume, or what drift calls it; all, if it is left out."""

    lun: Annotated[LunName, PlainValidator(checker(LunName.parse))] | None = Field(
        default=None, description="its IQN, its volume, or what drift calls it; all where it is left out"
    )
    force: list[Literal["written"]] = Field(
        default_factory=list,
        description="`written`: destroy also the clone of an interrupted creation that was written to",
    )


class Adopt(Checked):
    """The volume of a LUN that something else made; all are looked for if it is left out, in check mode only."""

    dataset: DatasetName | None = Field(default=None, description="the volume; where it is left out it only looks")


def _drift(_args: Drift, context: Context) -> Item:
    return Item(key=context.host.name, args={})


def _reconcile(args: Reconcile, context: Context) -> Item:
    lun = args.lun.name if args.lun else ""
    return Item(key=lun or context.host.name, args={"lun": lun, "force": list(args.force)})


def _adopt(args: Adopt, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset) if args.dataset else ""
    return Item(key=dataset or context.host.name, args={"dataset": dataset})


ADOPT = Module(name="adopt", summary="take in a LUN that something else made", args=Adopt, expand=_adopt)
DRIFT = Module(name="drift", summary="look for what is not as it is recorded", args=Drift, expand=_drift)
RECONCILE = Module(name="reconcile", summary="mend what drift finds", args=Reconcile, expand=_reconcile)

MODULES: tuple[AnyModule, ...] = (ADOPT, DRIFT, RECONCILE)

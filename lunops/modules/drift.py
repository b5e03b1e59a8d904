"""The modules that hold a head to what is recorded of its LUNs: look, mend, take in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, DatasetName, Module, in_pool_of
from lunops.validate import Checked


class Drift(Checked):
    """Nothing: the whole head is looked at."""


class Reconcile(Checked):
    """Which LUN to mend: its IQN, its volume, or what drift calls it; all, if it is left out."""

    lun: Annotated[str, Field(pattern=r"\A[!-~]+( [!-~]+)?\z", max_length=600)] | None = None
    force: list[Literal["written"]] = Field(default_factory=list)


class Adopt(Checked):
    """The volume of a LUN that something else made; all are looked for if it is left out, in check mode only."""

    dataset: DatasetName | None = None


def _drift(_args: Drift, context: Context) -> Item:
    return Item(key=context.host.name, args={})


def _reconcile(args: Reconcile, context: Context) -> Item:
    return Item(key=args.lun or context.host.name, args={"lun": args.lun or "", "force": list(args.force)})


def _adopt(args: Adopt, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset) if args.dataset else ""
    return Item(key=dataset or context.host.name, args={"dataset": dataset})


ADOPT = Module(name="adopt", summary="take in a LUN that something else made", args=Adopt, expand=_adopt)
DRIFT = Module(name="drift", summary="look for what is not as it is recorded", args=Drift, expand=_drift)
RECONCILE = Module(name="reconcile", summary="mend what drift finds", args=Reconcile, expand=_reconcile)

MODULES: tuple[AnyModule, ...] = (ADOPT, DRIFT, RECONCILE)

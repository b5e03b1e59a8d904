"""The module that tells who is logged in."""

from __future__ import annotations

from pydantic import Field

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, IqnName, Module
from lunops.validate import Checked

ALL = "every target"


class Sessions(Checked):
    """A target to look at, or none for every target of the head."""

    wwn: IqnName | None = Field(default=None, description="the target; every one where it is left out")


def _expand(args: Sessions, _context: Context) -> Item:
    return Item(key=args.wwn.name if args.wwn else ALL, args={"wwn": args.wwn.name if args.wwn else ""})


SESSIONS = Module(name="sessions", summary="tell who is logged in to which target", args=Sessions, expand=_expand)

MODULES: tuple[AnyModule, ...] = (SESSIONS,)

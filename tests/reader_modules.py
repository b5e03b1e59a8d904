"""Modules for tests of reading alone: small, and the same whatever becomes of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from lunops.model import Item
from lunops.modules import MODULES, Context, Module
from lunops.modules.base import AnyModule
from lunops.validate import Checked


class _Debug(Checked):
    msg: Any = "Hello world!"
    var: str | None = None


class _Assert(Checked):
    that: str | bool | list[str | bool]


class _SetFact(Checked):
    model_config = ConfigDict(extra="allow")


class _Command(Checked):
    cmd: str | None = None
    argv: list[str] = Field(default_factory=list)
    chdir: str | None = None


class _Meta(Checked):
    action: Literal["flush_handlers", "noop", "end_play"]


def _item(args: Checked, context: Context) -> Item:
    return Item(key=context.host.name, args=args.model_dump())


def _module(name: str, args: type[Any], **more: Any) -> AnyModule:
    return Module(name=name, summary=f"{name} things", args=args, expand=_item, **more)


_REAL = ("zfs_clone", "zfs_destroy", "zfs_set", "zfs_volume", "lio_target", "lio_absent", "wait_for_device")
READER_MODULES: Mapping[str, AnyModule] = {
    **{name: MODULES[name] for name in _REAL},
    "debug": _module("debug", _Debug, bare=frozenset({"var"})),
    "assert": _module("assert", _Assert, bare=frozenset({"that"})),
    "set_fact": _module("set_fact", _SetFact),
    "command": _module("command", _Command, free_form="cmd"),
    "meta": _module("meta", _Meta, free_form="action"),
}

"""The module that tells what a head is; by Ansible's name for it, too."""

from __future__ import annotations

from dataclasses import replace

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.head import HEAD
from lunops.validate import Checked


class Facts(Checked):
    """Nothing: all is told."""


def _expand(args: Facts, context: Context) -> Item:  # noqa: ARG001 - it is the same on every head
    return Item(key=HEAD, args={})


FACTS: AnyModule = Module(name="facts", summary="tell what a head is", args=Facts, expand=_expand, fails_alone=False)
SETUP = replace(FACTS, name="setup", summary="tell what a head is: the same as facts")

MODULES: tuple[AnyModule, ...] = (FACTS, SETUP)

"""The modules: the kinds of task that a playbook or a request is made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lunops.modules import device, drift, lio, zfs
from lunops.modules.base import AnyModule, Context, Module

__all__ = ["MODULES", "Context", "Module"]

_FILES = (
    zfs,
    device,
    drift,
    lio,
)

MODULES: Mapping[str, AnyModule] = MappingProxyType({module.name: module for file in _FILES for module in file.MODULES})

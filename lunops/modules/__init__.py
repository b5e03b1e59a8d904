"""The modules: the kinds of task that a playbook or a request is made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lunops.modules import (
    command,
    device,
    drift,
    facts,
    files,
    head,
    lio,
    lio_discovery,
    lio_fragment,
    lun,
    play,
    sending,
    sessions,
    snapshots,
    volumes,
    waiting,
    zfs,
)
from lunops.modules.base import AnyModule, Context, Module

__all__ = ["MODULES", "Context", "Module"]

_FILES = (
    zfs,
    device,
    drift,
    lio,
    volumes,
    snapshots,
    sending,
    head,
    lio_discovery,
    lio_fragment,
    sessions,
    play,
    command,
    files,
    waiting,
    facts,
    lun,
)

MODULES: Mapping[str, AnyModule] = MappingProxyType({module.name: module for file in _FILES for module in file.MODULES})

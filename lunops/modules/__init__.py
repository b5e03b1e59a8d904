"""The modules: the kinds of task that a playbook or a request is made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.device import WAIT_FOR_DEVICE
from lunops.modules.lio import LIO_ABSENT, LIO_TARGET
from lunops.modules.zfs import ZFS_CLONE, ZFS_DESTROY

__all__ = ["MODULES", "Context", "Module"]

MODULES: Mapping[str, AnyModule] = MappingProxyType(
    {module.name: module for module in (ZFS_CLONE, WAIT_FOR_DEVICE, LIO_TARGET, LIO_ABSENT, ZFS_DESTROY)}
)

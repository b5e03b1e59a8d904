"""The module that tells what a head is; by Ansible's name for it, too."""

from __future__ import annotations

from dataclasses import replace

from lunops.model import Item
from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.head import HEAD
from lunops.validate import Checked

# What the agent tells, as variables; `ansible_facts` has them all, without their first word.
FACT_NAMES = (
    "ansible_facts",
    *(
        f"ansible_{name}"
        for name in [
            "all_ipv4_addresses",
            "all_ipv6_addresses",
            "architecture",
            "default_ipv4",
            "distribution",
            "distribution_major_version",
            "distribution_release",
            "distribution_version",
            "domain",
            "fqdn",
            "hostname",
            "interfaces",
            "kernel",
            "kernel_version",
            "machine",
            "memfree_mb",
            "memtotal_mb",
            "nodename",
            "os_family",
            "processor_vcpus",
            "python_version",
            "system",
            "uptime_seconds",
        ]
    ),
    "lunops_pools",
    "lunops_target",
    "lunops_zfs_version",
)


class Facts(Checked):
    """Nothing: all is told."""


def _expand(args: Facts, context: Context) -> Item:  # noqa: ARG001 - it is the same on every head
    return Item(key=HEAD, args={})


FACTS: AnyModule = Module(name="facts", summary="tell what a head is", args=Facts, expand=_expand, fails_alone=False)
SETUP = replace(FACTS, name="setup", summary="tell what a head is: the same as facts")

MODULES: tuple[AnyModule, ...] = (FACTS, SETUP)

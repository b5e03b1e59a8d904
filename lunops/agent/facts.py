"""facts: tell what a head is, under Ansible's names, and what lunops works with there. Read, not run, where it can be.

Nothing is asked of the network: `ansible_fqdn` is what /etc/hosts calls the head.
"""

from __future__ import annotations

import json
import platform
import socket
import struct

from lunops.agent.doctor_machine import MODULES, text_of
from lunops.agent.outcome import Outcome

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.system import System
    from lunops.agent.work import Item, Work

_ASKED_S = 20.0  # a pool that is suspended lets zpool(8) hang
_FAMILIES = {
    "RedHat": ("rhel", "fedora", "centos", "rocky", "almalinux", "ol"),
    "Debian": ("debian", "ubuntu"),
    "Suse": ("suse", "sles", "opensuse"),
    "Archlinux": ("arch",),
    "Alpine": ("alpine",),
}
_NAMES = {"rhel": "RedHat", "sles": "SLES", "centos": "CentOS", "almalinux": "AlmaLinux", "ol": "OracleLinux"}
_UNIT = "rtslib-fb-targetctl.service", "target.service"


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task: it only looks."""
    work.each(items, lambda _item, outcome: _one(work.system, outcome))


def _one(system: System, outcome: Outcome) -> None:
    found = {**_machine(system), **_distribution(system), **_addresses(system)}
    facts = {"ansible_%s" % name: value for name, value in found.items()}
    facts.update({"lunops_%s" % name: value for name, value in _storage(system).items()})
    outcome.data = {"ansible_facts": facts}


def _machine(system: System) -> Dict[str, Any]:
    kernel, name, release, version, machine = system.uname()
    memory = dict(line.split(":", 1) for line in text_of(system, "/proc/meminfo").splitlines() if ":" in line)
    hosts = [line.split("#")[0].split()[1:] for line in text_of(system, "/etc/hosts").splitlines()]
    full = [word for names in hosts if name in names for word in names if word.startswith(name + ".")]
    processors = [line for line in text_of(system, "/proc/cpuinfo").splitlines() if line.startswith("processor")]
    uptime = text_of(system, "/proc/uptime").split()
    return {
        "system": kernel,
        "hostname": name.split(".")[0],
        "nodename": name,
        "fqdn": (full or [name])[0],
        "domain": (full or [name])[0].partition(".")[2],
        "kernel": release,
        "kernel_version": version,
        "architecture": machine,
        "machine": machine,
        "processor_vcpus": len(processors) or None,
        "memtotal_mb": _megabytes(memory.get("MemTotal")),
        "memfree_mb": _megabytes(memory.get("MemFree")),
        "uptime_seconds": int(float(uptime[0])) if uptime else None,
        "python_version": platform.python_version(),
    }


def _megabytes(text: str | None) -> int | None:
    return int(text.split()[0]) // 1024 if text else None


def _distribution(system: System) -> Dict[str, Any]:
    """Return what os-release(5) says, in Ansible's names."""
    values: Dict[str, str] = {}
    for line in (text_of(system, "/etc/os-release") or text_of(system, "/usr/lib/os-release")).splitlines():
        name, is_set, value = line.partition("=")
        if is_set:
            values[name] = value.strip().strip("\"'")
    own = values.get("ID", "")
    like = [own, *values.get("ID_LIKE", "").split()]
    families = [family for one in like for family, ids in _FAMILIES.items() if one in ids]
    version = values.get("VERSION_ID", "")
    return {
        "os_family": (families or [own.capitalize()])[0],
        "distribution": _NAMES.get(own, own.capitalize()),
        "distribution_version": version,
        "distribution_major_version": version.split(".")[0],
        "distribution_release": values.get("VERSION_CODENAME", ""),
    }


def _addresses(system: System) -> Dict[str, Any]:
    """Return the addresses that ip(8) tells, and which one the way out begins at."""
    output = system.run(["ip", "-j", "addr"], _ASKED_S)
    try:
        links: List[Dict[str, Any]] = json.loads(output.out) if output.code == 0 else []
    except ValueError:
        links = []
    found = [(link["ifname"], link.get("address", ""), each) for link in links for each in link.get("addr_info", [])]
    outward = [each for each in found if each[2].get("scope") in ("global", "site")]
    default: Dict[str, Any] = {}
    for line in text_of(system, "/proc/net/route").splitlines()[1:]:
        interface, destination, gateway = line.split()[:3]
        if destination == "00000000" and not default:
            at = [each for each in outward if each[0] == interface and each[2]["family"] == "inet"]
            default = {"interface": interface, "gateway": socket.inet_ntoa(struct.pack("<L", int(gateway, 16)))}
            if at:
                default.update(address=at[0][2]["local"], prefix=str(at[0][2]["prefixlen"]), macaddress=at[0][1])
    return {
        "interfaces": [link["ifname"] for link in links],
        "all_ipv4_addresses": [each["local"] for _name, _mac, each in outward if each["family"] == "inet"],
        "all_ipv6_addresses": [each["local"] for _name, _mac, each in outward if each["family"] == "inet6"],
        "default_ipv4": default,
    }


def _storage(system: System) -> Dict[str, Any]:
    """Return what lunops works with: ZFS, the pools, the kernel's target and what restores it."""
    listed = system.run(["zpool", "list", "-Hp", "-o", "name,size,free,health"], _ASKED_S)
    rows = [line.split("\t") for line in listed.out.splitlines()] if listed.code == 0 else []
    version = system.run(["zfs", "version"], _ASKED_S)
    words = version.out.split() if version.code == 0 else []
    loaded = [line.split(" ", 1)[0] for line in text_of(system, "/proc/modules").splitlines()]
    units = system.run(["systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState", *_UNIT], _ASKED_S)
    return {
        "zfs_version": words[0][len("zfs-") :] if words and words[0].startswith("zfs-") else "",
        "pools": {
            row[0]: {"size_bytes": int(row[1]), "free_bytes": int(row[2]), "health": row[3]}
            for row in rows
            if len(row) == 4
        },
        "target": {
            "modules": [name for name in MODULES if name in loaded],
            "version": text_of(system, "/sys/kernel/config/target/version").strip(),
            **_service(units.out if units.code == 0 else ""),
        },
    }


def _service(text: str) -> Dict[str, Any]:
    """Return the unit that restores the targets at boot, and whether it is enabled and active."""
    for part in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        if values.get("LoadState") == "loaded":
            return {
                "service": values.get("Id", ""),
                "enabled": values.get("UnitFileState") == "enabled",
                "active": values.get("ActiveState") == "active",
            }
    return {"service": "", "enabled": False, "active": False}

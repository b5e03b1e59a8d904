"""Facts of the machine: kernel, modules, units, udev, LVM, multipath, locks, processes, free space."""

from __future__ import annotations

import re

from lunops.agent import lio, units, wedged
from lunops.agent.boot_order import drop_in
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from lunops.agent.system import System

MODULES = ("zfs", "target_core_mod", "target_core_iblock", "iscsi_target_mod")
_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_RULE = "60-zvol.rules"
_HELPERS = ("/usr/lib/udev/zvol_id", "/lib/udev/zvol_id")
_BIN = ("/usr/sbin/", "/sbin/", "/usr/bin/")
_LVM = ("/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf")  # the second is read last, and wins
_LVM_DEVICES = "/etc/lvm/devices/system.devices"
_STILL_S = 1.0  # a thread that did not run at all for so long, in state D, hangs or waits for a slow disk


def gather(system: System) -> Dict[str, Any]:
    """Return the facts."""
    loaded = [line.split(" ", 1)[0] for line in text_of(system, "/proc/modules").splitlines()]
    stuck = wedged.reason(system)
    return {
        "kernel": text_of(system, "/proc/sys/kernel/osrelease").strip(),
        "modules": [name for name in MODULES if name in loaded],
        "configfs": any(line.split()[1:3] == ["/sys/kernel/config", "configfs"] for line in _mounts(system)),
        "udev": _udev(system),
        "lvm": _lvm(system),
        "multipath": _multipath(system),
        "boot": _boot(system),
        "locks": {path: system.lock_holder(path) for path in (lio.OUR_LOCK, lio.TARGETCLI_LOCK)},
        "wedged": {"what": stuck.what, "fix": stuck.fix} if stuck else None,
        "stuck": _stuck(system),
        "disks": _disks(system),
    }


def text_of(system: System, path: str) -> str:
    """Return a file's text, the empty text if it cannot be read."""
    try:
        return system.read(path)
    except OSError:
        return ""


def _mounts(system: System) -> List[str]:
    return text_of(system, "/proc/mounts").splitlines()


def _udev(system: System) -> Dict[str, str]:
    """Return which rule names the zvols (the first folder that has it wins) and the program that it runs."""
    rule = next(("%s/%s" % (folder, _RULE) for folder in _RULES if system.exists("%s/%s" % (folder, _RULE))), "")
    if rule and "zvol" not in text_of(system, rule):
        rule = ""  # masked: a link to /dev/null, or an empty file
    return {"rule": rule, "helper": next((path for path in _HELPERS if system.exists(path)), "")}


def _installed(system: System, name: str) -> bool:
    return any(system.exists(folder + name) for folder in _BIN)


def _lvm(system: System) -> Dict[str, Any] | None:
    """Return the patterns by which LVM looks at devices; None where it is not installed."""
    if not _installed(system, "lvm"):
        return None
    values: Dict[str, Any] = {"global_filter": [], "filter": [], "use_devicesfile": ""}
    for path in _LVM:
        text = re.sub(r"(?m)^\s*#.*$", "", text_of(system, path))
        for name in ("global_filter", "filter"):
            for found in re.finditer(r"(?ms)^\s*(?:devices/)?%s\s*=\s*(\[.*?\]|\".*?\")" % name, text):
                values[name] = re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(1))
        for found in re.finditer(r"(?m)^\s*(?:devices/)?use_devicesfile\s*=\s*(\d)", text):
            values["use_devicesfile"] = found.group(1)
    listed = text_of(system, _LVM_DEVICES) if values["use_devicesfile"] != "0" else ""
    return {
        "global_filter": values["global_filter"],
        "filter": values["filter"],
        "devices_file": [line for line in listed.splitlines() if line.startswith("IDTYPE=")],
        "has_devices_file": bool(listed),
    }


def _multipath(system: System) -> Dict[str, List[str]] | None:
    """Return the names that multipath leaves alone; None where it is not installed."""
    if not _installed(system, "multipathd"):
        return None
    output = system.run(["multipath", "-t"], 30.0)  # its whole configuration, the defaults included
    text = output.out if output.code == 0 and "blacklist" in output.out else text_of(system, "/etc/multipath.conf")
    return {section: devnodes(text, section) for section in ("blacklist", "blacklist_exceptions")}


def devnodes(text: str, section: str) -> List[str]:
    """Return the patterns after `devnode` right in a section of multipath's configuration; multipath.conf(5)."""
    found: List[str] = []
    within: List[str] = []  # the sections that we are in
    for line in text.splitlines():
        words = line.split("#")[0].strip()
        if words.endswith("{"):
            within.append(words[:-1].strip())
        elif words == "}":
            within = within[:-1]
        elif within == [section] and words.split(None, 1)[:1] == ["devnode"]:
            found.append(words[len("devnode") :].strip().strip('"'))
    return found


def _boot(system: System) -> Dict[str, Any]:
    """Return which unit restores the targets at boot, and what it waits for."""
    try:
        found = units.show(system, [*units.RESTORERS, *units.VOLUME_UNITS])
    except ItemError as error:
        return {"error": error.what}
    unit = units.restorer(found)
    if unit is None:
        return {"error": "", "unit": ""}
    path = drop_in(unit.name)
    return {
        "error": "",
        "unit": unit.name,
        "state": unit.file_state,
        "after": [name for name in unit.after if name in units.VOLUME_UNITS],
        "has_drop_in": path in unit.drop_ins,
        "is_stale": unit.is_stale,
    }


def _stuck(system: System) -> List[Dict[str, Any]]:
    """Return the threads in state D that did not run at all between two looks."""
    before = _sleepers(system)
    if not before:
        return []
    system.sleep(_STILL_S)
    after = _sleepers(system)
    return [
        {"pid": pid, "name": name, "where": text_of(system, "/proc/%s/task/%s/wchan" % (pid, thread)).strip()}
        for (pid, thread), (name, switches) in sorted(before.items())
        if after.get((pid, thread)) == (name, switches)
    ]


def _sleepers(system: System) -> Dict[Tuple[int, int], Tuple[str, str]]:
    """Return the threads in state D: (pid, thread) → (name, how often it was switched to)."""
    found: Dict[Tuple[int, int], Tuple[str, str]] = {}
    for pid in system.listdir("/proc"):
        for thread in system.listdir("/proc/%s/task" % pid) if pid.isdigit() else ():
            path = "/proc/%s/task/%s" % (pid, thread)
            name, _, rest = text_of(system, path + "/stat").partition("(")[2].rpartition(")")
            if rest.split()[:1] == ["D"]:
                switches = re.findall(r"ctxt_switches:\s*(\d+)", text_of(system, path + "/status"))
                found[int(pid), int(thread)] = (name, " ".join(switches))
    return found


def _disks(system: System) -> List[Dict[str, Any]]:
    """Return the file systems of / and /var, each once."""
    output = system.run(["df", "-P", "-B1", "/", "/var"], 30.0)
    found: List[Dict[str, Any]] = []
    for line in output.out.splitlines()[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and words[1].isdigit() and words[3].isdigit():
            disk = {"mount": words[5], "size": int(words[1]), "available": int(words[3])}
            if disk not in found:
                found.append(disk)
    return found

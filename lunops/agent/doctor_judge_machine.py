"""Findings about the machine below LIO: kernel, ZFS, pools, udev, LVM, multipath, boot, processes, space. Pure."""

from __future__ import annotations

import re

from lunops.agent.finding import ERROR, NOTE, WARNING, Check, Finding, listed

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List

_MODULES = ("zfs", "target_core_mod", "target_core_iblock", "iscsi_target_mod")
_FULL, _FULLER = 80, 95  # per cent of a pool
_SCRUB_DAYS = 45
_DAY_S = 86400.0
_SPARE, _LITTLE = 5, 1  # per cent of a file system that should be free
_LIO_NAMES = re.compile(r"iscsi_|targetcli|targetctl|tcm_|tmr-|LIO|kworker.*target")
_DEVICES = ("/dev/zd0", "/dev/zvol/pool/volume")
_NODE = "zd0"


def _modules(facts: Dict[str, Any]) -> Iterator[Finding]:
    missing = [name for name in _MODULES if name not in facts["modules"]]
    if missing:
        severity, text = (ERROR, "is not loaded") if "zfs" in missing else (NOTE, "not loaded yet")
        yield Finding(
            "module-missing",
            severity,
            "%s: %s" % (text, listed(missing)),
            "kernel %s" % facts["kernel"],
            "modprobe -a %s; lunops loads LIO's modules itself when it first needs them" % " ".join(missing),
        )
    if not facts["configfs"]:
        yield Finding(
            "configfs-missing",
            ERROR,
            "configfs is not mounted",
            "/sys/kernel/config",
            "systemctl start sys-kernel-config.mount",
        )


def _zfs(facts: Dict[str, Any]) -> Iterator[Finding]:
    zfs = facts["zfs"]
    if zfs["error"]:
        fix = "see that zfsutils is installed and its module loaded; a suspended pool lets zpool hang: see dmesg"
        yield Finding("zfs-fails", ERROR, "ZFS does not answer: %s" % zfs["error"], "zfs version; zpool status", fix)
    elif zfs["userland"] != zfs["module"]:
        yield Finding(
            "zfs-mismatch",
            WARNING,
            "the commands are OpenZFS %s, the kernel's module is %s" % (zfs["userland"], zfs["module"]),
            "zfs version",
            "reboot into the module that was installed with the commands (dkms status)",
        )


def _pools(facts: Dict[str, Any]) -> Iterator[Finding]:
    names = [pool["name"] for pool in facts["pools"]]
    for name in facts["wanted_pools"]:
        if name not in names and not facts["zfs"]["error"]:
            yield Finding("pool-missing", ERROR, "the pool %s is not imported" % name, name, "zpool import %s" % name)
    for pool in facts["pools"]:
        name = pool["name"]
        see = "zpool status -v %s" % name
        if pool["health"] != "ONLINE":
            severity = WARNING if pool["health"] == "DEGRADED" else ERROR
            yield Finding("pool-health", severity, "the pool %s is %s" % (name, pool["health"]), name, see)
        if pool["errors"] and pool["errors"] != "No known data errors":
            fix = "%s, restore what it names, zpool clear %s, zpool scrub %s" % (see, name, name)
            yield Finding("pool-errors", ERROR, "the pool %s has lost data: %s" % (name, pool["errors"]), name, fix)
        if pool["capacity"] >= _FULL:
            severity = ERROR if pool["capacity"] >= _FULLER else WARNING
            what = "the pool %s is %d%% full, %d bytes are free" % (name, pool["capacity"], pool["free"])
            fix = "destroy what is not needed (zfs list -o space -r %s), or add disks" % name
            yield Finding("pool-space", severity, what, name, fix)
        at = pool["scrubbed_at"]
        if at is None or facts["time"] - at > _SCRUB_DAYS * _DAY_S:
            when = "never" if at is None else "%d days ago" % ((facts["time"] - at) / _DAY_S)
            fix = "zpool scrub %s; better, enable zfs-scrub-monthly@%s.timer" % (name, name)
            yield Finding("pool-scrub", NOTE, "the pool %s was last scrubbed whole: %s" % (name, when), name, fix)


def _udev(facts: Dict[str, Any]) -> Iterator[Finding]:
    udev = facts["udev"]
    if not (udev["rule"] and udev["helper"]):
        what = "60-zvol.rules" if not udev["rule"] else "zvol_id, which the rule runs,"
        yield Finding(
            "udev-rule",
            ERROR,
            "%s is not there, or empty: no volume gets its /dev/zvol link" % what,
            udev["rule"] or "/usr/lib/udev/rules.d",
            "install zfsutils anew; take away what masks the rule in /etc/udev/rules.d",
        )
    if facts["unable_link"]:
        yield Finding(
            "link-unable",
            WARNING,
            "udev made a link called Unable: zvol_id failed for a volume, and its words became the link's name",
            "/dev/zvol/Unable",
            "rm /dev/zvol/Unable; then look for link-lost, which names the volume",
        )


def _links(facts: Dict[str, Any]) -> Iterator[Finding]:
    used = {one["device"] for one in facts["storage_objects"]}
    for name in facts["lost_links"]:
        link = "/dev/zvol/%s" % name
        severity, more = (ERROR, ", and a LUN needs it at the next boot") if link in used else (WARNING, "")
        yield Finding(
            "link-lost",
            severity,
            "udev made no link for the volume %s%s" % (name, more),
            link,
            "lunops does it in wait_for_device; by hand: find its device with zvol_id, "
            "then echo change > /sys/block/zdN/uevent",
        )


def lvm_looks_at(patterns: List[str], names: Any = _DEVICES) -> bool:
    """Return whether LVM's filter lets a device with these names through; lvm.conf(5), `filter`.

    One name that is accepted suffices; else one that is rejected; what no pattern matches is looked at.
    """
    rejected = False
    for name in names:
        for pattern in patterns:
            action, delimiter, expression = pattern[:1], pattern[1:2], pattern[2:]
            expression = expression[: -len(delimiter)] if delimiter and expression.endswith(delimiter) else expression
            try:
                matches = re.search(expression, name)
            except re.error:
                continue
            if matches and action == "a":
                return True
            if matches:
                rejected = True
                break
    return not rejected


def _lvm(facts: Dict[str, Any]) -> Iterator[Finding]:
    lvm = facts["lvm"]
    if lvm is None:
        return
    if lvm["has_devices_file"]:
        looked_at = [line for line in lvm["devices_file"] if re.search(r"DEVNAME=/dev/(zd|zvol)", line)]
    else:
        is_open = lvm_looks_at(lvm["global_filter"]) and lvm_looks_at(lvm["filter"])
        looked_at = ["/dev/zd*"] if is_open else []
    if looked_at:
        yield Finding(
            "lvm-filter",
            WARNING,
            "LVM looks into %s: it may activate what stands on a node's disk, and hold its volume" % looked_at[0],
            "/etc/lvm/lvm.conf",
            'in section devices: global_filter = [ "r|^/dev/zd.*|", "r|^/dev/zvol/.*|" ]',
        )


def _multipath(facts: Dict[str, Any]) -> Iterator[Finding]:
    multipath = facts["multipath"]
    if multipath is None:
        return
    is_excepted = any(_names_it(each) for each in multipath["blacklist_exceptions"])
    if is_excepted or not any(_names_it(each) for each in multipath["blacklist"]):
        yield Finding(
            "multipath-blacklist",
            WARNING,
            "multipath may take zvols (zd*) for paths, and hold them",
            "/etc/multipath.conf",
            'add blacklist { devnode "^zd[0-9]+" } there, then multipathd reconfigure',
        )


def _names_it(pattern: str) -> bool:
    wants = not pattern.startswith("!")
    try:
        return bool(re.search(pattern.lstrip("!"), _NODE)) == wants
    except re.error:
        return False


def _boot(facts: Dict[str, Any]) -> Iterator[Finding]:
    boot = facts["boot"]
    if boot["error"]:
        fix = "see yourself that targets are restored at boot after the volumes are there"
        yield Finding("boot-unknown", NOTE, boot["error"], "systemd", fix)
        return
    install = "lunops run prepare-heads.yml -i INVENTORY -l HEAD"
    if not boot["unit"]:
        fix = "install targetcli-fb, then " + install
        yield Finding("boot-unit", ERROR, "nothing restores the targets at boot", "systemd", fix)
        return
    if boot["state"] not in ("enabled", "enabled-runtime", "static", "generated", "indirect", "alias"):
        what = "%s is %s: after a boot no LUN is served" % (boot["unit"], boot["state"] or "not enabled")
        yield Finding("boot-unit", ERROR, what, boot["unit"], "systemctl enable %s, or %s" % (boot["unit"], install))
    if boot["is_stale"]:
        what = "files of %s changed since systemd read them" % boot["unit"]
        yield Finding("boot-stale", WARNING, what, boot["unit"], "systemctl daemon-reload")
    if not boot["has_drop_in"] and not {"zfs-volumes.target", "zfs-volume-wait.service"} & set(boot["after"]):
        what = "%s does not wait for the volumes: a LUN whose volume is late is not served" % boot["unit"]
        yield Finding("boot-order", WARNING, what, boot["unit"], install)


def _stuck(facts: Dict[str, Any]) -> Iterator[Finding]:
    for one in facts["stuck"]:
        severity = ERROR if _LIO_NAMES.search(one["name"]) or "configfs" in one["where"] else WARNING
        yield Finding(
            "process-stuck",
            severity,
            "pid %s (%s) hangs in the kernel, in %s" % (one["pid"], one["name"], one["where"] or "an unknown place"),
            "pid %s" % one["pid"],
            "look again: if it stays, see /proc/%s/stack and dmesg; nothing kills it, a reboot ends it" % one["pid"],
        )


def _disks(facts: Dict[str, Any]) -> Iterator[Finding]:
    for disk in facts["disks"]:
        free = disk["available"] * 100.0 / (disk["size"] or 1)
        if free < _SPARE:
            severity = ERROR if free < _LITTLE else WARNING
            what = "%s has %.1f%% free: without space, saveconfig.json cannot be written" % (disk["mount"], free)
            yield Finding("disk-space", severity, what, disk["mount"], "see: du -xhd1 %s" % disk["mount"])


CHECKS = (
    Check("modules", ["module-missing", "configfs-missing"], "the kernel's modules are loaded", _modules),
    Check("zfs", ["zfs-fails", "zfs-mismatch"], "ZFS's commands and module are of one version", _zfs),
    Check(
        "pools",
        ["pool-missing", "pool-health", "pool-errors", "pool-space", "pool-scrub"],
        "every pool is whole and has space",
        _pools,
    ),
    Check("udev", ["udev-rule", "link-unable"], "udev has its rule for volumes", _udev),
    Check("links", ["link-lost"], "every volume has its link", _links),
    Check("lvm", ["lvm-filter"], "LVM leaves volumes alone", _lvm),
    Check("multipath", ["multipath-blacklist"], "multipath leaves volumes alone", _multipath),
    Check(
        "boot",
        ["boot-unknown", "boot-unit", "boot-stale", "boot-order"],
        "targets are restored at boot, after their volumes",
        _boot,
    ),
    Check("processes", ["process-stuck"], "nothing hangs in the kernel", _stuck),
    Check("disks", ["disk-space"], "/ and /var have space", _disks),
)

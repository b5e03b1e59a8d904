"""Findings about LIO: wedged, locks, NAA identifiers, half-made targets, saveconfig.json, records. Pure."""

from __future__ import annotations

import re

from lunops.agent.finding import ERROR, NOTE, WARNING, Check, Finding, listed

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List

_NAA_DIGITS = 25  # the kernel makes the NAA identifier of as many hexadecimal digits of the serial
_PRIVATE = 0o077


def naa_prefix(serial: str) -> str:
    """Return the digits of a unit serial that reach the NAA identifier (spc_gen_naa_6h_vendor_specific)."""
    return re.sub("[^0-9a-f]", "", serial.lower())[:_NAA_DIGITS]


def _wedged(facts: Dict[str, Any]) -> Iterator[Finding]:
    if facts["wedged"]:
        yield Finding("wedged", ERROR, facts["wedged"]["what"], "/run/lunops/wedged.json", facts["wedged"]["fix"])


def _locks(facts: Dict[str, Any]) -> Iterator[Finding]:
    for path, holder in sorted(facts["locks"].items()):
        if holder:
            yield Finding(
                "lock-held",
                WARNING,
                "%s holds the lock: who changes LIO waits for it" % holder,
                path,
                "wait for it; an open targetcli shell holds it until it is left (exit)",
            )


def _naa(facts: Dict[str, Any]) -> Iterator[Finding]:
    same: Dict[str, List[str]] = {}
    for one in facts["storage_objects"]:
        prefix = naa_prefix(one["serial"])
        if prefix:
            same.setdefault(prefix, []).append(one["path"])
    for prefix, paths in sorted(same.items()):
        if len(paths) > 1:
            yield Finding(
                "naa-duplicate",
                ERROR,
                "initiators see one and the same disk in %s: their serials share the digits %s, of which the NAA "
                "identifier is made; multipath writes one's data to the other" % (listed(paths), prefix),
                listed(paths),
                "log all initiators out of all but one of them, delete those and make them again: "
                "lunops gives each a serial of its own",
            )


def _half_made(facts: Dict[str, Any]) -> Iterator[Finding]:
    wanted = {wwn for wwn, want in facts["records"]["luns"].items() if want == "exported"}
    used = set()
    for target in facts["targets"]:
        wwn = target["wwn"]
        where = "%s/%s/tpgt_%d" % (target["fabric"], wwn, target["tag"])
        again = "lunops reconcile, or run again what made it; to remove it: targetcli /iscsi delete %s" % wwn
        used.update(target["luns"])
        if target["enabled"] and not target["luns"]:
            yield Finding("target-empty", ERROR, "%s is enabled and has no LUN" % wwn, where, again)
        if not target["enabled"] and wwn in wanted:
            yield Finding("target-disabled", ERROR, "%s is lunops' own, wanted, and not enabled" % wwn, where, again)
        elif not target["enabled"] and target["fabric"] == "iscsi":
            yield Finding("target-disabled", NOTE, "%s is not enabled" % wwn, where, "enable it, or delete it")
        if target["fabric"] == "iscsi" and target["enabled"] and not target["portals"]:
            yield Finding("target-unreachable", ERROR, "%s is enabled and has no portal" % wwn, where, again)
    for one in facts["storage_objects"]:
        where = "core/%s" % one["path"]
        if one["path"] not in used:
            what = "the storage object %s is behind no LUN" % one["path"]
            fix = "targetcli /backstores/block delete %s, or make its target again" % one["name"]
            yield Finding("storage-unused", WARNING, what, where, fix)
        if not one["enabled"]:
            what = "the storage object %s is not enabled: it has no device behind it" % one["path"]
            fix = "lunops reconcile, or targetcli /backstores/block delete %s" % one["name"]
            yield Finding("storage-disabled", ERROR, what, where, fix)
        elif not one["has_device"]:
            yield Finding(
                "storage-dangling",
                ERROR,
                "%s, which %s exports, is not there or leads to another volume" % (one["device"], one["path"]),
                where,
                "if the volume exists, mend its link (see link-lost); if not, delete the target",
            )


def _saveconfig(facts: Dict[str, Any]) -> Iterator[Finding]:
    saved = facts["saveconfig"]
    where = saved["path"] or "saveconfig.json"
    targets = sorted({target["wwn"] for target in facts["targets"]})
    objects = sorted({one["name"] for one in facts["storage_objects"]})
    if saved["error"]:
        fix = "mend it, or take the newest file of its folder backup; until then no boot restores anything"
        yield Finding("saveconfig-unreadable", ERROR, saved["error"], where, fix)
        return
    if not saved["exists"]:
        if targets or objects:
            what = "there is no %s: the next boot serves none of %d targets" % (where, len(targets))
            fix = "lunops reconcile, or targetcli saveconfig if the kernel has all that is wanted"
            yield Finding("saveconfig-missing", ERROR, what, where, fix)
        return
    if saved["mode"] & _PRIVATE:
        what = "its mode is %04o: others than root can read CHAP's secrets" % saved["mode"]
        yield Finding("saveconfig-mode", WARNING, what, where, "chmod 0600 %s" % where)
    lacks = [name for name in targets if name not in saved["targets"]]
    lacks += [name for name in objects if name not in saved["storage_objects"]]
    if lacks:
        what = "the kernel has what the file has not, and what a boot would lose: %s" % listed(lacks)
        fix = "lunops reconcile, or targetcli saveconfig if the kernel has all that is wanted"
        yield Finding("saveconfig-lacks", ERROR, what, where, fix)
    extra = [name for name in saved["targets"] if name not in targets]
    extra += [name for name in saved["storage_objects"] if name not in objects]
    if extra:
        wanted = [wwn for wwn in extra if facts["records"]["luns"].get(wwn) == "exported"]
        what = "the file has what the kernel does not serve: %s" % listed(
            wanted + [e for e in extra if e not in wanted]
        )
        fix = "lunops reconcile; never targetcli saveconfig, which would erase it"
        yield Finding("saveconfig-extra", ERROR if wanted else WARNING, what, where, fix)


def _records(facts: Dict[str, Any]) -> Iterator[Finding]:
    if facts["records"]["error"]:
        fix = "restore it from a backup, or move it away and let lunops adopt make it anew"
        path = "/var/lib/lunops/luns.json"
        yield Finding("records-unreadable", ERROR, facts["records"]["error"], path, fix)


CHECKS = (
    Check("wedged", ["wedged"], "the kernel takes LIO work", _wedged),
    Check("locks", ["lock-held"], "nobody holds LIO's locks", _locks),
    Check("naa", ["naa-duplicate"], "every disk has an identifier of its own", _naa),
    Check(
        "targets",
        [
            *("target-empty", "target-disabled", "target-unreachable"),
            *("storage-unused", "storage-disabled", "storage-dangling"),
        ],
        "every target is whole",
        _half_made,
    ),
    Check(
        "saveconfig",
        ["saveconfig-unreadable", "saveconfig-missing", "saveconfig-mode", "saveconfig-lacks", "saveconfig-extra"],
        "saveconfig.json and the kernel have the same",
        _saveconfig,
    ),
    Check("records", ["records-unreadable"], "lunops' records can be read", _records),
)

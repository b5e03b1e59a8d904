"""Bring the kernel to a fragment: which steps, in which order, and what must not be in use for them.

What is no longer wanted goes first, since a portal or a LUN may stand in the way of a new one: mapped LUNs, then the
links of mapped LUNs that lead elsewhere, then the rest. Then come the steps that make and change.
"""

from __future__ import annotations

from lunops.agent import fragment, lio, remove, steps, takeback
from lunops.agent.device import Devices, path_of
from lunops.agent.outcome import ItemError
from lunops.agent.storage_objects import StorageObjects

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from lunops.agent.steps import Step
    from lunops.agent.system import System


def way(
    system: System,
    wanted: Dict[str, Any],
    force: Sequence[str] = (),
    old: Dict[str, Any] | None = None,
    objects: StorageObjects | None = None,
) -> List[Step]:
    """Return the steps to a fragment; raises ItemError if one of them would touch a session, unless that is forced.

    Storage objects of the `old` fragment that the new one does not have are removed with their LUNs. `objects`: those
    of the head, where a task has looked at them already.
    """
    objects = objects or StorageObjects(system)
    entries = entries_of(wanted, objects)
    state = steps.observe(system, entries)
    difference = steps.difference(entries, state)
    gone = [objects.folder(one["name"]) for one in dropped(old, wanted)]
    removals = [takeback.removal(system, path) for path in [*steps.extras(system, entries), *filter(None, gone)]]
    found = _in_order(removals, difference)
    if remove.SESSIONS not in force:
        for step in found:
            _refuse_if_in_use(system, step)
    return found


def dropped(old: Dict[str, Any] | None, wanted: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the storage objects of an older fragment that are not wanted any more."""
    names = [one["name"] for one in wanted["storage_objects"]]
    return [one for one in (old or {}).get("storage_objects", []) if one["name"] not in names]


def _in_order(removals: List[Step], difference: List[Step]) -> List[Step]:
    mapped = [step for step in removals if "/acls/" in step.path and "/lun_" in step.path]
    unlinked = [step for step in difference if step.call == steps.UNLINK]
    return (
        mapped
        + unlinked
        + [step for step in removals if step not in mapped]
        + [step for step in difference if step not in unlinked]
    )


def _refuse_if_in_use(system: System, step: Step) -> None:
    """Raise ItemError if a step ends a session or takes something from one."""
    name = step.path.rsplit("/", 1)[-1]
    who: List[str] = []
    what = ""
    if step.call == steps.REMOVE:
        who, what = remove.users(system, step.path), "%s is no longer wanted, but"
    elif step.call == steps.UNLINK:
        who, what = remove.users(system, step.path.rsplit("/", 1)[0]), "%s should lead to another LUN, but is"
    elif step.call == steps.WRITE and "/acls/" in step.path:
        ends = name == "cmdsn_depth" or (name == "write_protect" and step.value == "1")
        if ends and step.old:
            who = remove.users(system, step.path)
            what = "%%s should become %s, which would end the session or its writes:" % step.value
    elif step.call == steps.WRITE and name == "enable" and step.value == "0" and step.old == "1":
        who = [lio.in_words(one) for one in lio.tpg_sessions(system, step.path.rsplit("/", 1)[0])]
        what = "%s should become 0, which ends every session:"
    if who:
        raise ItemError(
            "%s in use by %s" % (what % step.path.replace(lio.ROOT + "/", ""), ", ".join(who)),
            "%s; %s" % (remove.LOG_OUT, remove.OR_FORCE),
        )


def entries_of(wanted: Dict[str, Any], objects: StorageObjects) -> List[fragment.Entry]:
    """Return the fragment's entries, each storage object in the folder that it has or will have."""
    folders: Dict[str, str] = {}
    entries: List[fragment.Entry] = []
    for storage in wanted["storage_objects"]:
        name, plugin = storage["name"], storage["plugin"]
        folder = objects.folder(name)
        if folder and lio.plugin_of(folder) != plugin:
            raise ItemError(
                "the storage object %s is there as a %s, not a %s" % (name, lio.plugin_of(folder), plugin),
                "unshare what exports it first, or give another name",
            )
        folders[name] = folder or objects.place(name, plugin)
        entries += fragment.storage_entries(storage, folders[name])

    def folder_of(name: str) -> str:
        folder = folders.get(name) or objects.folder(name)
        if not folder:
            raise ItemError("there is no storage object %s for a LUN of this fragment" % name)
        return folder

    for target in wanted["targets"]:
        entries += fragment.target_entries(target, folder_of)
    return entries


def refuse_what_is_not_there(system: System, wanted: Dict[str, Any]) -> None:
    """Raise ItemError unless the volumes have their devices, and the files their folders."""
    for storage in wanted["storage_objects"]:
        dev = storage["dev"]
        if storage["plugin"] == "fileio":
            if not system.is_dir(dev.rsplit("/", 1)[0]) or system.is_dir(dev) or system.is_block_device(dev):
                raise ItemError(
                    "%s is not a file in a folder of this head" % dev,
                    "make its folder first (the kernel makes the file), or name another one",
                )
        elif not Devices(system).is_linked(dev[len(path_of("")) :]):
            raise ItemError(
                "%s is not there, or leads to another volume" % dev, "wait for the device first (wait_for_device)"
            )


def new_files(system: System, wanted: Dict[str, Any]) -> List[str]:
    """Return the files that the kernel will make for a fragment's storage objects."""
    files = [storage["dev"] for storage in wanted["storage_objects"] if storage["plugin"] == "fileio"]
    return [path for path in files if not system.exists(path)]

"""From what is wanted and what was found to the steps between, and those steps done.

`difference` is pure. A step is one system call on configfs; how steps are taken back stands in
`lunops.agent.takeback`.
"""

from __future__ import annotations

from lunops.agent import alua, backing, fragment, lio, remove
from lunops.agent.outcome import ItemError
from lunops.agent.work import explain

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Set

    from lunops.agent.fragment import Entry
    from lunops.agent.system import System

MKDIR, RMDIR, WRITE, SYMLINK, UNLINK = "mkdir", "rmdir", "write", "symlink", "unlink"
REMOVE = "remove"  # not one call: an ACL, mapped LUN, LUN, portal, ALUA group or storage object with what is in it
_SERIAL = "T10 VPD Unit Serial Number:"
_NO_SECRET = "NULL"  # what the kernel takes for: forget this one
_FORCED, _FORCING = "/attrib/cache_dynamic_acls", "/attrib/generate_node_acls"  # the second at 1 keeps the first at 1
_REMADE = {"generate_node_acls": "attrib/cache_dynamic_acls", "authentication": "param/AuthMethod"}


class Step:
    """One system call: mkdir, rmdir, unlink (path), write (path, value) or symlink (path, value = where it leads).

    Or `remove`, with the entries that would bring back what is removed.
    """

    def __init__(
        self,
        call: str,
        path: str,
        value: str = "",
        *,
        old: str = "",
        secret: bool = False,
        restore: Sequence[Entry] = (),
    ) -> None:
        self.call = call
        self.path = path
        self.value = value
        self.old = old  # what a write replaces, or where a link that is removed led to
        self.secret = secret
        self.restore = restore

    def __str__(self) -> str:
        path = self.path.replace(lio.ROOT + "/", "")
        if self.call == WRITE:
            return "%s = %s" % (path, ("********" if self.value else "(none)") if self.secret else self.value)
        if self.call == SYMLINK:
            return "%s -> %s" % (path, self.value.replace(lio.ROOT + "/", ""))
        return "%s %s" % (self.call, path)


class State:
    """What configfs holds at the paths of some entries."""

    def __init__(self) -> None:
        self.folders: Dict[str, List[str]] = {}  # a folder that is there → the names of the folders in it
        self.values: Dict[str, str] = {}
        self.links: Dict[str, List[str]] = {}  # a folder → where the links in it lead
        self.link_names: Dict[str, List[str]] = {}  # a folder → the names of the links in it, in the same order
        self.shown: Dict[str, Dict[str, str]] = {}  # a storage object's folder → what its `info` shows
        self.groups: Dict[str, Dict[str, str]] = {}  # an ALUA group's folder → its values


def observe(system: System, entries: Sequence[Entry]) -> State:
    """Read what stands at the entries' paths; what is below a missing folder is not asked for."""
    state = State()
    objects = {entry.path for entry in entries if entry.kind == fragment.DIR}
    for entry in entries:
        if entry.kind == fragment.DIR:
            if system.is_dir(entry.path):
                state.folders[entry.path] = lio.folders(system, entry.path)
        elif entry.kind == fragment.LINK:
            if entry.path in state.folders:
                names = lio.link_names(system, entry.path)
                paths = [system.resolve("%s/%s" % (entry.path, name)) for name in names]
                ours = [place for place, path in enumerate(paths) if "/alua/" not in path]
                state.links[entry.path] = [paths[place] for place in ours]
                state.link_names[entry.path] = [names[place] for place in ours]
        elif entry.kind == fragment.CONTROL:
            folder = entry.path.rsplit("/", 1)[0]
            if folder in state.folders and folder not in state.shown:
                state.shown[folder] = backing.shown(system.read(folder + "/info"))
        elif entry.kind == fragment.GROUP:
            if entry.path in state.folders:
                state.groups[entry.path] = alua.read(system, entry.path, entry.values)
        elif _object_of(entry.path, objects) in state.folders:
            _observe_value(system, entry, state)
    return state


def _observe_value(system: System, entry: Entry, state: State) -> None:
    if entry.path.endswith("/alua_tg_pt_gp") and not state.links.get(entry.path.rsplit("/", 1)[0]):
        return  # it cannot be read before the LUN leads anywhere
    try:
        text = system.read(entry.path)
        if entry.path.endswith("/attrib/authentication") and "/acls/" not in entry.path:
            method = entry.path[: -len("attrib/authentication")] + "param/AuthMethod"
            state.values[method] = clean(system.read(method))
        if entry.path.endswith(_FORCED):
            forcing = entry.path[: -len(_FORCED)] + _FORCING
            state.values[forcing] = clean(system.read(forcing))
    except FileNotFoundError:
        raise ItemError("this head's kernel has no %s" % entry.path, "leave that key out of the template") from None
    if entry.path.endswith("/alua_tg_pt_gp"):
        state.values[entry.path] = alua.group_name(text)
    else:
        value = clean(text)
        state.values[entry.path] = "" if entry.secret and value.startswith(_NO_SECRET) else value


def _object_of(path: str, objects: Set[str]) -> str:
    """Return the folder of the object that a value belongs to: attrib/x and auth/y stand one deeper than enable."""
    while path and path not in objects:
        path = path.rpartition("/")[0]
    return path


def clean(text: str) -> str:
    """Return a configfs file's value without what the kernel puts around it."""
    text = text.strip().strip("\0").strip()
    return text[len(_SERIAL) :].strip() if text.startswith(_SERIAL) else text


def difference(entries: Sequence[Entry], state: State) -> List[Step]:
    """Return the steps from the state to the entries, in an order that the kernel takes.

    Raises ItemError where the difference cannot be mended without harm.
    """
    steps: List[Step] = []
    remade: Set[str] = set()  # files that an earlier step changes besides its own
    wanted = {entry.path: entry.value for entry in entries if entry.kind == fragment.VALUE}
    for entry in entries:
        if entry.kind == fragment.DIR:
            if entry.path not in state.folders:
                steps.append(Step(MKDIR, entry.path))
        elif entry.kind == fragment.LINK:
            linked = _link_steps(entry, state)
            if len(linked) > 1:  # the kernel sets a mapped LUN that is linked anew to what its TPG says
                remade.add(entry.path + "/write_protect")
            steps += linked
        elif entry.kind == fragment.CONTROL:
            steps += _control_steps(entry, state)
        elif entry.kind == fragment.GROUP:
            for name, value, old in alua.writes(entry.values, state.groups.get(entry.path, {})):
                steps.append(Step(WRITE, "%s/%s" % (entry.path, name), value, old=old))
        else:
            if entry.path.endswith(_FORCED) and entry.value == "0":
                _refuse_forced(entry, {**state.values, **wanted})
            steps += _value_steps(entry, state, remade)
    return steps


def _refuse_forced(entry: Entry, values: Dict[str, str]) -> None:
    """Raise ItemError where the kernel would take the write of a 0, and hold a 1 afterwards."""
    forcing = entry.path[: -len(_FORCED)] + _FORCING
    if values.get(forcing) == "1":
        raise ItemError(
            "%s cannot be 0: %s is 1, and with it the kernel keeps a 1" % (_short(entry.path), _short(forcing)),
            "write generate_node_acls: 0 beside it, or leave cache_dynamic_acls out",
        )


def _link_steps(entry: Entry, state: State) -> List[Step]:
    there = state.links.get(entry.path, [])
    new = Step(SYMLINK, "%s/%s" % (entry.path, entry.name), entry.value)
    if there == [entry.value]:
        return []  # its name is taken when it is made: another one would mean to take the LUN away for a moment
    if there and "/acls/" not in entry.path:
        raise ItemError(
            "%s is %s, not %s" % (_short(entry.path), _short(", ".join(there)), _short(entry.value)),
            "unshare that target first, or name another one: lunops does not re-point a LUN",
        )
    gone = [
        Step(UNLINK, "%s/%s" % (entry.path, name), old=there[place])
        for place, name in enumerate(state.link_names.get(entry.path, []))
    ]
    return [*gone, new]


def _control_steps(entry: Entry, state: State) -> List[Step]:
    folder = entry.path.rsplit("/", 1)[0]
    now = state.shown.get(folder, {}).get(entry.name, "")
    if now == entry.value:
        return []
    is_default = entry.value == "0" and entry.name != "fd_dev_size"
    if is_default and now == "":
        return []
    if state.values.get(folder + "/enable") == "1":
        backing.refuse_change(_short(folder), entry.name, now, entry.value)
    if is_default and entry.name != "readonly":
        raise ItemError(  # the kernel takes no 0 for these
            "%s of the half-made storage object %s is %s, not 0" % (entry.name, _short(folder), now),
            "take it away first (lio_absent)",
        )
    old = "%s=%s" % (entry.name, now) if now else ""
    return [Step(WRITE, entry.path, "%s=%s" % (entry.name, entry.value), old=old)]


def _value_steps(entry: Entry, state: State, remade: Set[str]) -> List[Step]:
    now = state.values.get(entry.path, "")
    if now == entry.value and (entry.path in state.values or entry.secret) and entry.path not in remade:
        return []
    folder, name = entry.path.rsplit("/", 1)
    if name == "udev_path" and now:
        raise ItemError(
            "the storage object %s is %s, not %s" % (_short(folder), now, entry.value),
            "delete what exports it first, or name another target",
        )
    if name == "vpd_unit_serial" and now:
        raise ItemError(
            "%s is %s, not %s" % (_short(entry.path), now, entry.value),
            "initiators know the disk by it, so it is never changed: unshare the target first",
        )
    if name == "tg_pt_gp_id" and now:
        raise ItemError(
            "%s is %s, not %s" % (_short(entry.path), now, entry.value),
            "the kernel takes an id once: give the group another name, and the LUNs that group",
        )
    if name in backing.FIXED_WHILE_EXPORTED and folder.endswith("/attrib"):
        shown = state.shown.get(folder.rsplit("/", 1)[0], {})
        if shown.get(backing.EXPORTED) == "1":
            raise ItemError(
                "%s is %s, not %s, and the kernel takes it only while no LUN leads to the object"
                % (_short(entry.path), now, entry.value),
                "unshare the target first (lio_absent), or leave it as it is",
            )
    steps = [Step(WRITE, entry.path, entry.value, old=now, secret=entry.secret)]
    if name in _REMADE and folder.endswith("/attrib") and "/acls/" not in folder:
        other = "%s/%s" % (folder.rsplit("/", 1)[0], _REMADE[name])
        remade.add(other)
        if name == "authentication" and entry.value == "1" and state.values.get(other) == "None":
            # Linux 6.1 takes None out of the list, and with nothing before it writes in front of its buffer
            steps.insert(0, Step(WRITE, other, "CHAP", old="None"))
    return steps


def extras(system: System, entries: Sequence[Entry]) -> List[str]:
    """Return the folders of ACLs, mapped LUNs, LUNs, portals and ALUA groups in wanted folders that are not wanted.

    The mapped ones come first, as the kernel wants them removed first.
    """
    wanted = {entry.path for entry in entries if entry.kind == fragment.DIR}
    storages = {entry.path.rsplit("/", 1)[0] for entry in entries if entry.kind == fragment.CONTROL}
    mapped = []
    others = []
    for path in sorted(wanted):
        if path in storages:
            groups = lio.folders(system, path + "/alua")
            others += ["%s/alua/%s" % (path, name) for name in groups if name != alua.DEFAULT]
        elif path.rsplit("/", 2)[-2] == "acls":
            mapped += ["%s/%s" % (path, name) for name in lio.folders(system, path) if name.startswith("lun_")]
        elif path.rsplit("/", 1)[-1].startswith("tpgt_"):
            for kind in ("acls", "np", "lun"):
                others += ["%s/%s/%s" % (path, kind, name) for name in lio.folders(system, "%s/%s" % (path, kind))]
    return [path for path in mapped + others if path not in wanted]


def apply(system: System, steps: Sequence[Step], done: List[Step]) -> None:
    """Do the steps one by one, noting each in `done`; a failing one raises ItemError naming it."""
    for step in steps:
        try:
            call(system, step)
        except OSError as error:
            raise ItemError("%s: %s" % (step, explain(error)), _fix_for(step)) from error
        done.append(step)


def _fix_for(step: Step) -> str:
    """Say what is behind the kernel's EINVAL where it is known."""
    if step.call == MKDIR and "/np/" in step.path:
        return (
            "another portal of this head has the port: an address beside 0.0.0.0 or [::] with the same port cannot be, "
            "and 0.0.0.0 not beside [::]; see: ss -ltn"
        )
    if step.call == WRITE and step.path.endswith(("/iser", "/cxgbit")):
        return "this head has no such hardware, or not its module (ib_isert, cxgbit): leave iser and offload out"
    return ""


def call(system: System, step: Step) -> None:
    """Do one step."""
    if step.call == MKDIR:
        system.mkdir(step.path)
    elif step.call == RMDIR:
        system.rmdir(step.path)
    elif step.call == SYMLINK:
        system.symlink(step.value, step.path)
    elif step.call == UNLINK:
        system.unlink(step.path)
    elif step.call == REMOVE:
        is_storage = step.path.startswith(lio.CORE + "/") and "/alua/" not in step.path
        (remove.storage_object if is_storage else remove.folder)(system, step.path)
    else:
        system.write(step.path, _NO_SECRET if step.secret and not step.value else step.value)


def _short(text: str) -> str:
    return text.replace(lio.ROOT + "/", "")

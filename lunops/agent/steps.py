"""From what is wanted and what was found to the steps between, and those steps done, or taken back.

`difference` is pure. A step is one system call on configfs.
"""

from __future__ import annotations

from lunops.agent import fragment, lio
from lunops.agent.outcome import ItemError
from lunops.agent.work import explain

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Set, Tuple

    from lunops.agent.fragment import Entry
    from lunops.agent.system import System

MKDIR, RMDIR, WRITE, SYMLINK, UNLINK = "mkdir", "rmdir", "write", "symlink", "unlink"
_SERIAL = "T10 VPD Unit Serial Number:"


class Step:
    """One system call: mkdir, rmdir, unlink (path), write (path, value) or symlink (path, value = where it leads)."""

    def __init__(self, call: str, path: str, value: str = "", *, old: str = "", secret: bool = False) -> None:
        self.call = call
        self.path = path
        self.value = value
        self.old = old  # what a write replaces
        self.secret = secret

    def __str__(self) -> str:
        path = self.path.replace(lio.ROOT + "/", "")
        if self.call == WRITE:
            return "%s = %s" % (path, "********" if self.secret else self.value)
        if self.call == SYMLINK:
            return "%s -> %s" % (path, self.value.replace(lio.ROOT + "/", ""))
        return "%s %s" % (self.call, path)


class State:
    """What configfs holds at the paths of some entries."""

    def __init__(self) -> None:
        self.folders: Dict[str, List[str]] = {}  # a folder that is there → the names of the folders in it
        self.values: Dict[str, str] = {}
        self.links: Dict[str, List[str]] = {}  # a folder → where the links in it lead


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
                state.links[entry.path] = lio.linked(system, entry.path)
        elif _object_of(entry.path, objects) in state.folders:
            try:
                state.values[entry.path] = clean(system.read(entry.path))
            except FileNotFoundError:
                raise ItemError(
                    "this head's kernel has no %s" % entry.path, "leave that key out of the template"
                ) from None
    return state


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
    for entry in entries:
        if entry.kind == fragment.DIR:
            if entry.path not in state.folders:
                steps.append(Step(MKDIR, entry.path))
        elif entry.kind == fragment.LINK:
            there = state.links.get(entry.path, [])
            if not there:
                steps.append(Step(SYMLINK, "%s/%s" % (entry.path, entry.name), entry.value))
            elif there != [entry.value]:
                raise ItemError(
                    "%s is %s, not %s" % (_short(entry.path), _short(", ".join(there)), _short(entry.value)),
                    "unshare that target first, or name another one: lunops does not re-point a LUN",
                )
        else:
            steps += _value_steps(entry, state)
    return steps


def _value_steps(entry: Entry, state: State) -> List[Step]:
    now = state.values.get(entry.path, "")
    if entry.path in state.values and now == entry.value:
        return []
    if entry.path.endswith("/udev_path"):
        folder = entry.path.rsplit("/", 1)[0]
        if now:
            raise ItemError(
                "the storage object %s is %s, not %s" % (_short(folder), now, entry.value),
                "delete what exports it first, or name another target",
            )
        controls = [Step(WRITE, folder + "/control", word) for word in entry.control]
        # The device first, as rtslib does it: where the path is read, the device is set, whatever died between.
        return [*controls, Step(WRITE, entry.path, entry.value)]
    if entry.path.endswith("/vpd_unit_serial") and now:
        raise ItemError(
            "%s is %s, not %s" % (_short(entry.path), now, entry.value),
            "initiators know the disk by it, so it is never changed: unshare the target first",
        )
    return [Step(WRITE, entry.path, entry.value, old=now, secret=entry.secret)]


def extras(system: System, entries: Sequence[Entry]) -> List[str]:
    """Return the folders of ACLs, mapped LUNs, LUNs and portals that stand in wanted folders but are not wanted.

    The mapped ones come first, as the kernel wants them removed first.
    """
    wanted = {entry.path for entry in entries if entry.kind == fragment.DIR}
    mapped = []
    others = []
    for path in sorted(wanted):
        if path.rsplit("/", 2)[-2] == "acls":
            mapped += ["%s/%s" % (path, name) for name in lio.folders(system, path) if name.startswith("lun_")]
        elif path.rsplit("/", 1)[-1].startswith("tpgt_"):
            for kind in ("acls", "np", "lun"):
                others += ["%s/%s/%s" % (path, kind, name) for name in lio.folders(system, "%s/%s" % (path, kind))]
    return [path for path in mapped + others if path not in wanted]


def apply(system: System, steps: Sequence[Step], done: List[Step]) -> None:
    """Do the steps one by one, noting each in `done`; a failing one raises ItemError naming it."""
    for step in steps:
        try:
            _call(system, step)
        except OSError as error:
            raise ItemError("%s: %s" % (step, explain(error))) from error
        done.append(step)


def take_back(system: System, done: Sequence[Step]) -> Tuple[List[str], List[str]]:
    """Undo steps, the last one first; return what was taken back and what could not be, in words."""
    back: List[str] = []
    left: List[str] = []
    made = {step.path for step in done if step.call == MKDIR}
    for step in reversed(done):
        inverse = _inverse(step, made)
        if inverse is None:
            continue
        try:
            _call(system, inverse)
            back.append(str(inverse))
        except OSError as error:
            left.append("%s  # %s" % (inverse, explain(error)))
    return back, left


def _inverse(step: Step, made: Set[str]) -> Step | None:
    if step.call == MKDIR:
        return Step(RMDIR, step.path)
    if step.call == SYMLINK:
        return Step(UNLINK, step.path)
    if step.call == WRITE and step.path.endswith("/enable") and "/tpgt_" in step.path:
        return Step(WRITE, step.path, step.old or "0")
    if step.call == WRITE and step.old and not any(step.path.startswith(folder + "/") for folder in made):
        return Step(WRITE, step.path, step.old, secret=step.secret)
    return None  # goes with the folder that was made


def _call(system: System, step: Step) -> None:
    if step.call == MKDIR:
        system.mkdir(step.path)
    elif step.call == RMDIR:
        system.rmdir(step.path)
    elif step.call == SYMLINK:
        system.symlink(step.value, step.path)
    elif step.call == UNLINK:
        system.unlink(step.path)
    else:
        system.write(step.path, step.value)


def _short(text: str) -> str:
    return text.replace(lio.ROOT + "/", "")

"""saveconfig.json, from which the head makes its targets again at boot: ours put in or taken out, the rest kept."""

from __future__ import annotations

import copy
import json

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set, Tuple

    from lunops.agent.system import System

_FOLDERS = ("/etc/rtslib-fb-target", "/etc/target")  # Debian's, and everyone else's
# Beside the ten that targetcli keeps there (saveconfig-*json*), and not one of those that it counts and removes.
_BACKUP = "/backup/lunops-saveconfig.json"
_IDENTITY = {"storage_objects": ("plugin", "name"), "targets": ("fabric", "wwn")}
_KNOWN_BY = dict(_IDENTITY, fabric_modules=("name",))


class SaveConfig:
    """The file as it was read, and as it should be written. Use under the LIO locks."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._dropped: Set[Tuple[str, ...]] = set()  # what this operation meant to take out
        folder = next((folder for folder in _FOLDERS if system.is_dir(folder)), _FOLDERS[1])
        self.path = folder + "/saveconfig.json"
        self._old, self._value = self._read()
        self._known: Dict[str, Dict[Tuple[Any, ...], Dict[str, Any]]] = {}  # part → identity → the first such object

    def lacks(self, fragment: Dict[str, Any]) -> List[str]:
        """Return what of the fragment is not in the file, or is there with other values."""
        missing = []
        for part, identity in _IDENTITY.items():
            for wanted in fragment.get(part, []):
                there = self._find(part, [wanted[key] for key in identity])
                if there is None or not _covers(there, wanted):
                    missing.append(" ".join(str(wanted[key]) for key in identity))
        return missing

    def put(self, fragment: Dict[str, Any]) -> None:
        """Put the fragment's objects in, each in the place of the one with its name."""
        for part, identity in _IDENTITY.items():
            for wanted in fragment.get(part, []):
                self._put(part, wanted, [wanted[key] for key in identity])

    def all(self, part: str) -> List[Dict[str, Any]]:
        """Return every object of a part."""
        return [entry for entry in self._value[part] if isinstance(entry, dict)]

    def fabric(self, name: str) -> Dict[str, Any]:
        """Return what the file says of a fabric module, such as the authentication of discovery."""
        return dict(self._find("fabric_modules", [name]) or {"name": name})

    def put_fabric(self, module: Dict[str, Any]) -> None:
        """Put a fabric module in, in the place of the one with its name."""
        self._dropped.add(("fabric_modules", module["name"]))
        self._put("fabric_modules", module, [module["name"]])

    def has(self, part: str, *identity: str) -> bool:
        """Return whether the file has this object: `storage_objects`, plugin, name or `targets`, fabric, wwn."""
        return self._find(part, list(identity)) is not None

    def drop(self, part: str, *identity: str) -> None:
        """Take one object out, if it is there."""
        self._dropped.add((part, *identity))
        self._take_out(part, list(identity))

    def entry(self, part: str, *identity: str) -> Any:
        """Return a copy of what the file has of this object, None if it does not have it."""
        return copy.deepcopy(self._find(part, list(identity)))

    def names(self, part: str) -> List[str]:
        """Return the names of the block storage objects, or the IQNs of the iSCSI targets, that the file has."""
        kind, name = _IDENTITY[part]
        ours = {"storage_objects": "block", "targets": "iscsi"}[part]
        return [str(one.get(name)) for one in self._value[part] if isinstance(one, dict) and one.get(kind) == ours]

    def write(self) -> None:
        """Write the file if it differs from what was read, and keep the last version beside it.

        Raises ItemError, and writes nothing, if the file on the disk has an object that this operation did not
        take out and that would be lost: whatever state the kernel or this program is in, no LUN is erased by a save.
        """
        text = json.dumps(self._value, indent=2, sort_keys=True) + "\n"
        if text == self._old:
            return
        on_disk, value = self._read()
        if on_disk != self._old:
            raise ItemError(
                "%s was changed by another program while lunops held its lock" % self.path,
                "see that nobody writes it but targetcli and lunops, then run again",
            )
        lost = _identities(value) - _identities(json.loads(text)) - self._dropped
        if lost:
            raise ItemError(
                "a save would have erased %s from %s"
                % (", ".join(" ".join(one[1:]) for one in sorted(lost)), self.path),
                "this is a bug of lunops: please report it; nothing was written",
            )
        folder = self.path.rsplit("/", 1)[0]
        self._system.make_dirs(folder)
        if on_disk:
            self._system.make_dirs(folder + "/backup")
            self._system.replace(folder + _BACKUP, on_disk)
        self._system.replace(self.path, text)
        self._old = text

    def _read(self) -> Tuple[str, Dict[str, Any]]:
        """Return the file's text and what it says; of a file that is not there the empty text."""
        empty: Dict[str, Any] = {"fabric_modules": [], "storage_objects": [], "targets": []}
        if not self._system.exists(self.path):
            return "", empty
        text = self._system.read(self.path)
        try:
            value: Dict[str, Any] = json.loads(text)
            for part in empty:
                if not isinstance(value.setdefault(part, []), list):
                    raise ValueError("%s is not a list" % part)
        except (ValueError, AttributeError) as error:
            raise ItemError(
                "%s is not what rtslib writes: %s" % (self.path, error),
                "mend it, or restore it from its backup folder; lunops does not overwrite what it cannot read",
            ) from None
        return text, value

    def _put(self, part: str, wanted: Dict[str, Any], identity: List[str]) -> None:
        self._take_out(part, identity)
        self._value[part].append(wanted)
        self._objects(part)[tuple(identity)] = wanted

    def _take_out(self, part: str, identity: List[str]) -> None:
        there = self._find(part, identity)
        if there is not None:
            self._value[part] = [entry for entry in self._value[part] if entry is not there]
            self._known.pop(part)  # the file may have another one of this name

    def _find(self, part: str, identity: List[str]) -> Any:
        return self._objects(part).get(tuple(identity))

    def _objects(self, part: str) -> Dict[Tuple[Any, ...], Dict[str, Any]]:
        """Return the objects of a part by what they are known by: a look through all for each would cost its square."""
        if part not in self._known:
            found = self._known[part] = {}
            for entry in self.all(part):
                names = [entry.get(key) for key in _KNOWN_BY[part]]
                if all(isinstance(name, str) for name in names):
                    found.setdefault(tuple(names), entry)
        return self._known[part]


def _identities(value: Dict[str, Any]) -> Set[Tuple[str, ...]]:
    """Return what names each object of a saved configuration, with the part that it is in."""
    return {
        (part, *[str(entry.get(key)) for key in keys])
        for part, keys in _IDENTITY.items()
        for entry in value[part]
        if isinstance(entry, dict)
    }


def _covers(there: Any, wanted: Any) -> bool:
    """Return whether all that is wanted is there; rtslib's own save adds every default beside it."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(key in there and _covers(there[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        same_length = isinstance(there, list) and len(there) == len(wanted)  # an ACL too many is a difference, too
        return same_length and all(any(_covers(one, part) for one in there) for part in wanted)
    return bool(there == wanted)

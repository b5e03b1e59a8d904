"""saveconfig.json, from which the head makes its targets again at boot: ours put in or taken out, the rest kept."""

from __future__ import annotations

import json

from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from lunops.agent.system import System

_FOLDERS = ("/etc/rtslib-fb-target", "/etc/target")  # Debian's, and everyone else's
_IDENTITY = {"storage_objects": ("plugin", "name"), "targets": ("fabric", "wwn")}
_KNOWN_BY = dict(_IDENTITY, fabric_modules=("name",))


class SaveConfig:
    """The file as it was read, and as it should be written. Use under the LIO locks."""

    def __init__(self, system: System) -> None:
        self._system = system
        folder = next((folder for folder in _FOLDERS if system.is_dir(folder)), _FOLDERS[1])
        self.path = folder + "/saveconfig.json"
        self._value: Dict[str, Any] = {"fabric_modules": [], "storage_objects": [], "targets": []}
        self._old = ""
        if system.exists(self.path):
            self._old = system.read(self.path)
            try:
                value = json.loads(self._old)
                for part in self._value:
                    if not isinstance(value.setdefault(part, []), list):
                        raise ValueError("%s is not a list" % part)
            except (ValueError, AttributeError) as error:
                raise ItemError(
                    "%s is not what rtslib writes: %s" % (self.path, error),
                    "mend it, or restore it from its backup folder; lunops does not overwrite what it cannot read",
                ) from None
            self._value = value

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
                self.drop(part, *[wanted[key] for key in identity])
                self._value[part].append(wanted)

    def all(self, part: str) -> List[Dict[str, Any]]:
        """Return every object of a part."""
        return [entry for entry in self._value[part] if isinstance(entry, dict)]

    def fabric(self, name: str) -> Dict[str, Any]:
        """Return what the file says of a fabric module, such as the authentication of discovery."""
        return dict(self._find("fabric_modules", [name]) or {"name": name})

    def put_fabric(self, module: Dict[str, Any]) -> None:
        """Put a fabric module in, in the place of the one with its name."""
        self.drop("fabric_modules", module["name"])
        self._value["fabric_modules"].append(module)

    def has(self, part: str, *identity: str) -> bool:
        """Return whether the file has this object: `storage_objects`, plugin, name or `targets`, fabric, wwn."""
        return self._find(part, list(identity)) is not None

    def drop(self, part: str, *identity: str) -> None:
        """Take one object out, if it is there."""
        there = self._find(part, list(identity))
        if there is not None:
            self._value[part] = [entry for entry in self._value[part] if entry is not there]

    def write(self) -> None:
        """Write the file if it differs from what was read."""
        text = json.dumps(self._value, indent=2, sort_keys=True) + "\n"
        if text == self._old:
            return
        self._system.make_dirs(self.path.rsplit("/", 1)[0])
        self._system.replace(self.path, text)
        self._old = text

    def _find(self, part: str, identity: List[str]) -> Any:
        keys = _KNOWN_BY[part]
        for entry in self._value[part]:
            if isinstance(entry, dict) and [entry.get(key) for key in keys] == identity:
                return entry
        return None


def _covers(there: Any, wanted: Any) -> bool:
    """Return whether all that is wanted is there; rtslib's own save adds every default beside it."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(key in there and _covers(there[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        same_length = isinstance(there, list) and len(there) == len(wanted)  # an ACL too many is a difference, too
        return same_length and all(any(_covers(one, part) for one in there) for part in wanted)
    return bool(there == wanted)

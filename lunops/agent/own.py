"""Whose names are these: what stands in the way of a fragment, be it in the kernel, in saveconfig.json or recorded."""

from __future__ import annotations

from lunops.agent import lio, records
from lunops.agent.outcome import ItemError

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Tuple

    from lunops.agent.saveconfig import SaveConfig
    from lunops.agent.storage_objects import StorageObjects
    from lunops.agent.system import System

_ADOPT = "choose another name, or take what is there over first: lunops adopt"
_NAA_DIGITS = 25


class Owners:
    """Who has which names, devices and serials on the head; read once for a task."""

    def __init__(
        self, system: System, saved: SaveConfig, recorded: Dict[str, Dict[str, Any]], objects: StorageObjects
    ) -> None:
        self._system = system
        self._objects = objects
        self._saved = saved
        self._recorded = recorded
        self._owner: Dict[Tuple[str, str], str] = {}  # (what, value) → the IQN whose record has it
        for wwn, record in recorded.items():
            for what, value in _names(record.get("fragment", {})):
                self._owner.setdefault((what, value), wwn)
        self._serials: Dict[str, str] | None = None  # the first 25 digits → the storage object's name

    def add(self, wwn: str, fragment: Dict[str, Any]) -> None:
        """Note what a fragment of this task takes."""
        for what, value in _names(fragment):
            self._owner.setdefault((what, value), wwn)
        for storage in fragment["storage_objects"]:
            self._by_digits().setdefault(_digits(storage["wwn"]), storage["name"])

    def refuse_twins(self, fragment: Dict[str, Any]) -> None:
        """Raise ItemError if another disk of this head would have the same NAA identifier.

        The kernel makes it of the first 25 hexadecimal digits of the serial; multipath merges disks that share it.
        """
        for storage in fragment["storage_objects"]:
            other = self._by_digits().get(_digits(storage["wwn"]), storage["name"])
            if other != storage["name"]:
                raise ItemError(
                    "the serial %s of %s begins with the same %d hexadecimal digits as that of %s: initiators would "
                    "take the two for one disk" % (storage["wwn"], storage["name"], _NAA_DIGITS, other),
                    "give it another serial: a version 5 UUID of the head and the IQN, as lun.json.j2 does",
                )

    def refuse_foreign(self, wwn: str, fragment: Dict[str, Any]) -> None:
        """Raise ItemError if the fragment has a name that is another's, or nobody's that lunops knows."""
        for what, value in _names(fragment):
            owner = self._owner.get((what, value), "")
            if owner and owner != wwn:
                raise ItemError(
                    "the %s %s belongs to the target %s" % (what, value, owner), "choose another, or delete that one"
                )
            if not owner and self._is_there(what, value):
                raise ItemError("the %s %s is there, and not of lunops' making" % (what, value), _ADOPT)

    def _is_there(self, what: str, value: str) -> bool:
        if what == "target":
            return self._system.is_dir("%s/%s" % (lio.ISCSI, value)) or self._saved.has("targets", "iscsi", value)
        if what == "storage object":
            saved = any(self._saved.has("storage_objects", plugin, value) for plugin in lio.PLUGINS)
            return saved or bool(self._objects.folder(value))
        return any(one.get("dev") == value for one in self._saved.all("storage_objects"))

    def _by_digits(self) -> Dict[str, str]:
        if self._serials is None:
            self._serials = {}
            for record in self._recorded.values():
                for storage in record.get("fragment", {}).get("storage_objects", []):
                    if record["want"] == records.EXPORTED:
                        self._serials.setdefault(_digits(storage["wwn"]), storage["name"])
            for one in self._saved.all("storage_objects"):
                if one.get("wwn") and one.get("name"):
                    self._serials.setdefault(_digits(str(one["wwn"])), str(one["name"]))
            for path in _storage_objects(self._system):
                text = self._system.read(path + "/wwn/vpd_unit_serial")
                digits = _digits(text.partition(":")[2])
                if digits:
                    self._serials.setdefault(digits, path.rsplit("/", 1)[-1])
        return self._serials


def _storage_objects(system: System) -> List[str]:
    return [
        "%s/%s/%s" % (lio.CORE, hba, name)
        for hba in system.listdir(lio.CORE)
        if hba != "alua"
        for name in lio.folders(system, "%s/%s" % (lio.CORE, hba))
    ]


def _names(fragment: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    for storage in fragment.get("storage_objects", []):
        yield "storage object", storage["name"]
        yield "device" if storage["plugin"] == "block" else "file", storage["dev"]
    for target in fragment.get("targets", []):
        yield "target", target["wwn"]


def _digits(serial: str) -> str:
    """Return the part of a serial that the kernel makes the NAA identifier of."""
    return "".join(letter for letter in serial.lower() if letter in "0123456789abcdef")[:_NAA_DIGITS]

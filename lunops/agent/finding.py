"""What doctor says: a finding, and the checks that make them."""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable

OK, NOTE, WARNING, ERROR = SEVERITIES = ("ok", "note", "warning", "error")


class Finding:
    """One thing that was found: `note` is worth knowing, `warning` will hurt one day, `error` hurts now."""

    def __init__(self, id: str, severity: str, what: str, where: str = "", fix: str = "") -> None:
        self.id = id
        self.severity = severity
        self.what = what
        self.where = where
        self.fix = fix

    def as_dict(self) -> Dict[str, str]:
        """Return it as JSON has it."""
        return {"id": self.id, "severity": self.severity, "what": self.what, "where": self.where, "fix": self.fix}


class Check:
    """Part of doctor: its name, the ids of what it may find, what it says where all is well, and how it looks."""

    def __init__(
        self, name: str, ids: Iterable[str], well: str, find: Callable[[Dict[str, Any]], Iterable[Finding]]
    ) -> None:
        self.name = name
        self.ids = tuple(ids)
        self.well = well
        self.find = find


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names for a person, the first few of them."""
    all_ = list(names)
    return ", ".join(all_[:most]) + (" and %d more" % (len(all_) - most) if len(all_) > most else "")

"""How one item ended, and the error that ends it."""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List


class ItemError(Exception):
    """One item cannot be done; its siblings go on."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class Busy(ItemError):
    """Another run holds a name of the item: nothing of it was begun."""

    def __init__(self, name: str, holder: str) -> None:
        who = holder or "another process"
        super().__init__(
            "another run is at %s: %s" % (name, who),
            "wait until that run is over, and run the same again; see that process on the head if it hangs",
        )


class Outcome:
    """What happened to one item, in the words of the protocol; filled in as the work goes on."""

    def __init__(self) -> None:
        self.changes: List[str] = []  # what was, or in check mode would be, done
        self.error = ""
        self.fix = ""
        self.rolled_back: List[str] = []
        self.left_behind: List[str] = []
        self.made: List[Any] = []  # what `undo` needs, see lunops.agent.undo
        self.busy = False  # another run holds its name
        self.skipped = False
        self.unknown = False  # in check mode: what it would do cannot be told without doing it
        self.data: Any = None  # what a task that only looks has found, any JSON value

    def fail(self, error: ItemError) -> Outcome:
        """Note the error; an earlier one is kept."""
        if not self.error:
            self.error, self.fix, self.busy = error.what, error.fix, isinstance(error, Busy)
        return self

    @property
    def status(self) -> str:
        """One of ok, changed, skipped, failed, unknown."""
        if self.error:
            return "failed"
        if self.skipped:
            return "skipped"
        if self.unknown:
            return "unknown"
        return "changed" if self.changes else "ok"

    def event(self, *, check: bool = False) -> Dict[str, Any]:
        """Return the fields of an item event; in check mode nothing was made."""
        fields: Dict[str, Any] = {
            "status": self.status,
            "changes": self.changes,
            "error": self.error,
            "fix": self.fix,
            "rolled_back": self.rolled_back,
            "left_behind": self.left_behind,
            "made": [] if self.error or check else self.made,
        }
        if self.busy:
            fields["busy"] = True
        if self.data is not None:
            fields["data"] = self.data
        return fields

"""What a run has done, so that another one can go on from there."""

from __future__ import annotations

from collections.abc import Set

from lunops.play.state import Done


class Journal:
    """Remembers nothing; see `lunops.play.journal_file` for one that does."""

    def recall(self, head: str, key: str) -> Done | None:
        """Return what a task did for a head in the run that is gone on with; None: it is to be done."""
        del head, key
        return None

    def note(self, head: str, key: str, done: Done) -> None:
        """Write down what a task has done for a head."""

    def undone(self, head: str, keys: Set[str]) -> None:
        """Write down that what was made for the items of these keys was taken back: it is to be done again."""

"""Who is told what a run of a playbook does."""

from __future__ import annotations

from typing import Protocol

from lunops.head_run import Observer, OneAtATime, Silent


class PlayObserver(Observer, Protocol):
    """Told what happens, as it happens; what stands here is called besides what stands in `Observer`."""

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        """Hear that a play, or another batch of it, begins on these heads."""

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        """Hear that a task is tried again on a head: it was tried `attempt` times `of` so many."""

    def note(self, text: str) -> None:
        """Hear what the user should know besides."""


class SilentPlay(Silent):
    """An observer that does nothing."""

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        """Do nothing."""

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class PlayOneAtATime(OneAtATime):
    """Calls an observer of plays from one thread at a time."""

    def __init__(self, observer: PlayObserver) -> None:
        """Call this one."""
        super().__init__(observer)
        self._of_plays = observer

    def play_started(self, name: str, heads: tuple[str, ...], number: int) -> None:
        """Pass it on."""
        with self._lock:
            self._of_plays.play_started(name, heads, number)

    def retrying(self, head: str, name: str, attempt: int, of: int) -> None:
        """Pass it on."""
        with self._lock:
            self._of_plays.retrying(head, name, attempt, of)

    def note(self, text: str) -> None:
        """Pass it on."""
        with self._lock:
            self._of_plays.note(text)

"""Ask on the terminal while a run is under way; Ctrl-C ends the question with the run."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

Aside = Callable[[], AbstractContextManager[None]]  # keeps other things from being written as long as it lasts
_LOOK_S = 0.1
_ANSWERS = {"": "n", "n": "n", "no": "n", "y": "y", "yes": "y", "c": "c", "continue": "c"}


class Asking:
    """Questions of one run."""

    def __init__(
        self, cancelled: threading.Event, aside: Aside, *, mask: Callable[[str], str] = lambda text: text
    ) -> None:
        self._cancelled = cancelled
        self._aside = aside
        self._mask = mask

    def pause(self, prompt: str) -> str:
        """Ask what a `pause` asks; where there is no terminal, warn and go on at once."""
        with self._aside():
            if sys.stdin.isatty():
                return self._line(f"{self._mask(prompt) or 'Press enter to go on'}: ")
            self._say("lunops: warning: `pause` asks on a terminal, and there is none: going on (--yes says so, too)\n")
            return ""

    def step(self, name: str) -> str:
        """Ask whether to do a task: (n)o, (y)es or (c)ontinue without asking, as Ansible does; give n, y or c."""
        with self._aside():
            while not self._cancelled.is_set():
                answer = self._line(f"Perform task: {self._mask(name)} (N)o/(y)es/(c)ontinue: ")
                if found := _ANSWERS.get(answer.strip().lower()):
                    return found
                self._say("Answer n, y or c.\n")
        return "n"

    def _line(self, prompt: str) -> str:
        """Return a line that was typed; the empty text at the end of the input, or when the run is cancelled."""
        self._say(prompt)
        while not self._cancelled.is_set():
            if select.select([sys.stdin], [], [], _LOOK_S)[0]:
                return sys.stdin.readline().rstrip("\n")
        return ""

    def _say(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

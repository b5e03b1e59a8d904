"""An initiator that keeps writing and reading back, and says if anything ever went wrong."""

from __future__ import annotations

import subprocess
import threading
from types import TracebackType
from typing import IO, Self

from tests.acceptance.eyes import disk

_BLOCK = 4096
_BLOCKS = 512  # of the LUN that are written to, in turn
_PATTERNS = 250


class BusyInitiator:
    """QEMU's own initiator on a LUN, writing a block and reading it back until the `with` block ends.

    `rounds` counts what was written and read back right; `wrong` is what QEMU said instead, the first time.
    """

    def __init__(self, portal: str, wwn: str, initiator: str) -> None:
        self.rounds = 0
        self.wrong = ""
        self._over = threading.Event()
        self._process = subprocess.Popen(
            ["qemu-io", disk(portal, wwn, initiator)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(timeout=120)
        stdin, stdout = self._pipes()
        stdin.close()
        try:
            self._process.wait(timeout=60)
        finally:
            self._process.kill()
            stdout.close()

    def wait_for(self, rounds: int) -> None:
        """Wait until this many more rounds were done, or something is wrong; bounded in time."""
        until = self.rounds + rounds
        for _ in range(1200):
            if self.rounds >= until or self.wrong:
                return
            self._over.wait(0.1)

    def _work(self) -> None:
        while not self._over.is_set() and not self.wrong:
            offset, pattern = self.rounds % _BLOCKS * _BLOCK, self.rounds % _PATTERNS + 1
            self._ask(f"write -P {pattern} {offset} {_BLOCK}", f"wrote {_BLOCK}/{_BLOCK}")
            if not self.wrong:
                self._ask(f"read -P {pattern} {offset} {_BLOCK}", f"read {_BLOCK}/{_BLOCK}")
            if not self.wrong:
                self.rounds += 1

    def _ask(self, command: str, expected: str) -> None:
        stdin, stdout = self._pipes()
        try:
            stdin.write(command + "\n")
            stdin.flush()
            said = [stdout.readline(), stdout.readline()]  # what was done, and how fast
        except OSError as error:
            said = [str(error)]
        if expected not in said[0]:
            self.wrong = f"{command}: {''.join(said).strip() or 'the initiator ended'}"

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

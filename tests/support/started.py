"""`lunops` as a process of its own, as a user starts it, in a folder that holds all it reads and writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_REST_S = 60.0


class Lunops:
    """Starts commands; ends with `close` what is left of them."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(self.state),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "COLUMNS": "200",
            **environment,
        }
        self._started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `lunops` without a terminal."""
        process = subprocess.Popen(
            [sys.executable, "-m", "lunops", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and error."""
        return ended(self.start(*words))

    def terminal(self, *words: str) -> Terminal:
        """Start `lunops` on a terminal of its own."""
        terminal = Terminal([sys.executable, "-m", "lunops", *words], self.folder, self.environment)
        self._started.append(terminal.process)
        return terminal

    def journals(self) -> list[str]:
        """Return the names of all runs, the oldest first."""
        paths = sorted((self.state / "lunops" / "runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in paths]

    def close(self) -> None:
        """End what is left."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(10)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


class Terminal:
    """A process on a terminal."""

    def __init__(self, argv: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x32\x00\xc8\x00\x00\x00\x00\x00")  # 50 lines, 200 columns

        def own_it() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, text=True, preexec_fn=own_it
        )
        os.close(slave)
        self.said = ""
        self._seen = 0

    def expect(self, text: str) -> None:
        """Wait until a text comes behind what was waited for before."""
        deadline = time.monotonic() + _REST_S
        while (place := self.said.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.said}"
            assert self._read(), f"it ended without {text!r}: {self.said}"
        self._seen = place + len(text)

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Return the exit code once it has ended and all that it wrote was read."""
        deadline = time.monotonic() + _REST_S
        while self._read():
            assert time.monotonic() < deadline, f"it does not end: {self.said}"
        code = self.process.wait(10)
        os.close(self._master)
        return code

    def lines(self) -> list[str]:
        """Return what stood on the terminal in the end, line by line: what was taken away again is not there."""
        shown = [line.rsplit("\x1b[K", 1)[-1].strip("\r") for line in self.said.split("\n")]
        return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown]

    def _read(self) -> bool:
        if select.select([self._master], [], [], 0.2)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # EIO: nobody has it open any more
                return False
            self.said += data.decode("utf-8", "replace")
            return bool(data)
        return True


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return exit code, standard output and error of a process that ends in time."""
    out, err = process.communicate(timeout=_REST_S)
    return process.returncode, out, err


def soon(holds: Callable[[], object], seconds: float = 20.0) -> bool:
    """Return whether something holds in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; one that nobody waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def resume_name(err: str) -> str:
    """Return the run that `--resume` is to be given, as it was said."""
    found = re.search(r"to go on from here: lunops run --resume (\S+)", err)
    assert found, err
    return found[1]


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """Send a signal to the process alone."""
    os.kill(process.pid, number)

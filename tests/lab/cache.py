"""The lab's folder in the user's cache: where it is, what stands in it, and the locks on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.errors import LabError


def lab_folder() -> Path:
    """Return the folder of the lab, in XDG_CACHE_HOME or ~/.cache; it is made if it is not there."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(cache).absolute() / "lunops" / "lab"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def say(text: str) -> None:
    """Print a line of progress on stderr, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path: Path, *, timeout_s: float, what: str) -> Iterator[None]:
    """Hold a lock among processes; raises LabError after `timeout_s`, naming `what` the other one does.

    A child that is started with `close_fds=False` holds it as well, for as long as it lives.
    """
    deadline = time.monotonic() + timeout_s
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        os.set_inheritable(file.fileno(), True)
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            if not told:
                say(f"waiting for another lab command to end ({what})")
                told = True
            if time.monotonic() > deadline:
                raise LabError(
                    f"another lab command has been at it for {timeout_s:.0f} s ({what})",
                    where=str(path),
                    fix="wait for it or end it, then run this again",
                )
            time.sleep(0.2)
        yield


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Give a fresh folder that becomes `target` at the end; nothing is left of it after an error.

    The caller holds a lock, so what an earlier one that was killed has left can go.
    """
    for left in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield draft
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)

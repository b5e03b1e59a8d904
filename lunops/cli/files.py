"""Write files whole or not at all, and keep plain text that must not stay in a folder that goes away."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from lunops.errors import InputError

_NEW_MODE = 0o600
_DEADLY = (signal.SIGTERM, signal.SIGHUP)


def write_atomically(path: Path, data: bytes, *, keep_mode: bool = True) -> None:
    """Put the data in the file's place, with the mode and owner that the file has; a new one is its owner's alone.

    Without `keep_mode` the one that was there counts for nothing: the file is its owner's alone. A link stays one:
    what it leads to is written. Raises `InputError`.
    """
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with suppress(FileNotFoundError):
                    if keep_mode:
                        _take_after(descriptor, path.stat())
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write this: {error.strerror or error}",
            where=str(path),
            fix="see who may write to it and its folder",
        ) from error


def _take_after(descriptor: int, before: os.stat_result) -> None:
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o7777)


@contextmanager
def secret_folder() -> Iterator[Path]:
    """Give a folder that is its owner's alone, in memory where there is such a place; all in it goes in the end.

    So it does where the terminal is closed or the process is told to end.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _DEADLY}
    try:
        folder = Path(tempfile.mkdtemp(prefix="lunops-", dir=_memory()))  # mode 0700
        try:
            yield folder
        finally:
            for number in (*_DEADLY, signal.SIGINT):
                before.setdefault(number, signal.getsignal(number))
                signal.signal(number, signal.SIG_IGN)  # a second one must not stop the removal
            shutil.rmtree(folder)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _memory() -> str | None:
    """Return a folder whose files are in memory alone, or None for the usual one."""
    for name in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"):
        if name and os.access(name, os.W_OK | os.X_OK) and os.statvfs(name).f_bavail:
            return name
    return None

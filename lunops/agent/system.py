"""What the agent may do to a head: run a command, touch a file, lock, look at a device. Nothing else does I/O.

`System` is the real one. The simulated head (`lunops.sim`) is another class with the same methods.
Paths are always absolute. Errors are `OSError`s with the errno that the kernel would give.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import time

from lunops.agent.files import Files
from lunops.agent.name_locks import NameLocks
from lunops.agent.network import Network
from lunops.agent.piped import Piped
from lunops.agent.processes import Processes, holder_of
from lunops.agent.started import Started

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Dict, Iterator, Sequence

# _IOR(0x12, 125, char[256]) of include/sys/fs/zfs.h: a zvol's dataset, asked of the device itself
BLKZNAME = 0x8100127D
_DIES_WITHIN_S = 3.0  # of a command that was killed: far more than an exit takes


class Output:
    """One command's exit code, standard output and standard error; a negative code is the signal that ended it."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


class Locked(Exception):
    """A lock was not free in time; `holder` says who has it, as far as can be known."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(path)
        self.path = path
        self.holder = holder


class System(Files, Network, Processes):
    """The head as it is."""

    def run(self, argv: Sequence[str], timeout_s: float = 300.0) -> Output:
        """Run a command in a process group of its own, without standard input; end the group at the deadline.

        A command that is not there gives code 127; one that was ended at the deadline gives -9 and says so.
        """
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Output(127, "", "%s: %s" % (argv[0], error.strerror))
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            try:
                process.wait(_DIES_WITHIN_S)
            except subprocess.TimeoutExpired:  # a process stuck in the kernel does not even die of this
                text = "no answer within %d s, and pid %d hangs in the kernel: it cannot be killed"
                return Output(-9, "", text % (timeout_s, process.pid))
            return Output(-9, "", "no answer within %d s; ended" % timeout_s)
        return Output(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def start(self, argv: Sequence[str], *, stdin: bytes, folder: str, environment: Dict[str, str]) -> Started:
        """Start a command with an input, in a folder (or "" for where we are); raises OSError if it cannot be."""
        return Started(argv, stdin=stdin, folder=folder, environment=environment)

    def environment(self) -> Dict[str, str]:
        """Return the environment that a command has if nothing else is said: ours, and the folders of root's tools."""
        found = dict(os.environ)
        folders = [folder for folder in found.get("PATH", "").split(":") if folder]
        found["PATH"] = ":".join(dict.fromkeys([*folders, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]))
        return found

    def pipe(self, argv: Sequence[str], *, feed: bool) -> Piped:
        """Start a command to read from, or to feed; raises OSError if it is not there."""
        return Piped(argv, feed=feed)

    def read(self, path: str) -> str:
        """Return the file's text."""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write(self, path: str, text: str) -> None:
        """Write to a file of the kernel's (configfs, sysfs) in one write, without creating it."""
        handle = os.open(path, os.O_WRONLY)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)

    def mkdir(self, path: str) -> None:
        """Make one folder."""
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove one folder; configfs takes the files that it made in it along."""
        os.rmdir(path)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link at `path`."""
        os.symlink(target, path)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        os.unlink(path)

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if it is not there."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        """Return whether something stands at the path, a dangling link included."""
        return os.path.lexists(path)

    def is_dir(self, path: str) -> bool:
        """Return whether a folder, and not a link to one, stands at the path."""
        return os.path.isdir(path) and not os.path.islink(path)

    def is_link(self, path: str) -> bool:
        """Return whether a symbolic link stands at the path."""
        return os.path.islink(path)

    def readlink(self, path: str) -> str:
        """Return what a link says, whether or not anything is there."""
        return os.readlink(path)

    def resolve(self, path: str) -> str:
        """Return the path that a link, or a path through links, leads to."""
        return os.path.realpath(path)

    def is_block_device(self, path: str) -> bool:
        """Return whether the path leads to a block device that is there."""
        try:
            return stat.S_ISBLK(os.stat(path).st_mode)
        except OSError:
            return False

    def zvol_name(self, device: str) -> str:
        """Return the dataset behind a /dev/zdN, asked of the device itself.

        The open can fail with errno 512 (ERESTARTSYS, which should never leave the kernel) while zvols appear.
        """
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            name = array.array("B", bytes(256))
            fcntl.ioctl(handle, BLKZNAME, name, True)
            return name.tobytes().split(b"\0", 1)[0].decode()
        finally:
            os.close(handle)

    def make_dirs(self, path: str, mode: int = 0o700) -> None:
        """Make a folder and what is missing above it, for root alone unless the mode says otherwise."""
        os.makedirs(path, mode=mode, exist_ok=True)

    def mode(self, path: str) -> int:
        """Return the permission bits of what a path leads to."""
        return stat.S_IMODE(os.stat(path).st_mode)

    def replace(self, path: str, text: str, mode: int = 0o600) -> None:
        """Replace a file so that a crash leaves the old or the new one whole."""
        temporary = "%s.lunops-%d" % (path, os.getpid())
        folder = os.path.dirname(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "w", encoding="utf-8") as file:
                os.fchmod(handle, mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def lock(self, path: str, timeout_s: float) -> Iterator[None]:
        """Hold an exclusive flock on the file while the block runs; it dies with the process.

        Raises `Locked`, naming the holder's pid and command line, if it is not free in time.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EAGAIN, errno.EACCES):
                        raise
                if time.monotonic() >= deadline:
                    raise Locked(path, holder_of(os.fstat(handle).st_ino))
                time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def name_locks(self, path: str) -> NameLocks:
        """Open the file of the locks on names; raises OSError where it cannot be made."""
        return NameLocks(path)

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

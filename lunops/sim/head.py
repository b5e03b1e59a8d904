"""The simulated head: the agent's `System` over a state file, and what a test may do to it from outside."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lunops.agent.system import Output, System
from lunops.sim import locks, sessions
from lunops.sim.boot import Restore
from lunops.sim.commands import Commands
from lunops.sim.configfs import TOP, Configfs
from lunops.sim.faults import Faults, Struck
from lunops.sim.sessions import LoginRefusedError, Session
from lunops.sim.state import Change, State, die
from lunops.sim.tree import Files, Kind, Part, Tree, below, parent_of, refuse
from lunops.sim.udev import Udev
from lunops.sim.zfs import Zfs

SAVECONFIG = "/etc/rtslib-fb-target/saveconfig.json"
POOL_SIZE = 64 << 30
_FOLDERS = (
    *("/etc", "/etc/rtslib-fb-target", "/proc", "/run", "/run/lock", "/sys", "/sys/kernel", "/sys/kernel/config"),
    *("/tmp", "/var", "/var/lib"),
)
_LINKS = {"/var/run": "/run", "/var/lock": "/run/lock"}


class SimulatedSystem(System):
    """A head in a file. Several of these, in several processes, on one file are one head."""

    def __init__(self, path: Path, *, pools: Sequence[str] = (), pool_size: int = POOL_SIZE) -> None:
        """Open the head in the file `path`, making what is missing: the file, and these pools.

        A new pool has `POOL/images/golden`, a volume of 64 MiB, and its snapshot `golden@1`.
        """
        self._state = State(path)
        self._files = Files(self._state)
        self._udev = Udev(self._state)
        self._configfs = Configfs(self._state, self._device_of)
        zfs = Zfs(self._state, self._udev)
        self._commands = Commands(self._state, self._udev, zfs)
        parts: dict[str, Part] = {TOP: self._configfs}
        parts.update(dict.fromkeys(("/dev", "/sys/block", "/sys/devices"), self._udev))
        self._tree = Tree(self._files, parts)
        with self._state.changing():
            if self._files.kind("/run") is None:
                for folder in _FOLDERS:
                    self._files.put(folder, "dir")
                for link, target in _LINKS.items():
                    self._files.put(link, "link", target)
            for pool in pools:
                if not self._state.one("select 1 from pools where name = ?", pool):
                    zfs.make_pool(pool, pool_size)

    def close(self) -> None:
        """Close the file; the head goes on existing in it."""
        self._state.close()

    # What the agent does

    def run(self, argv: Sequence[str], timeout_s: float = 300.0) -> Output:
        """Run a command of the head's."""
        return self._commands.run(argv, timeout_s)

    def read(self, path: str) -> str:
        """Return the file's text."""
        self._observe("read", path)
        path, kind = self._there(path)
        part = self._tree.part(path)
        if kind == "dir":
            raise refuse(errno.EISDIR, path)
        if part is self._files:
            return self._files.text(path)
        if kind == "block":
            raise refuse(errno.EINVAL, path)  # nothing is stored in the simulated devices
        return self._configfs.read(path) if part is self._configfs else self._udev.read(path)

    def write(self, path: str, text: str) -> None:
        """Write to a file, without creating it."""
        with self._changing("write", path, f" = {text}"):
            path, kind = self._there(path)
            part = self._tree.part(path)
            if kind == "dir":
                raise refuse(errno.EISDIR, path)
            if part is self._configfs:
                self._configfs.write(path, text)
            elif part is self._udev:
                self._udev.write(path, text)
            else:
                self._files.put(path, "file", text + self._files.text(path)[len(text) :])

    def mkdir(self, path: str) -> None:
        """Make one folder."""
        with self._changing("mkdir", path):
            path = self._new(path)
            if self._tree.part(path) is self._configfs:
                self._configfs.mkdir(path)
            else:
                self._put(path, "dir")

    def rmdir(self, path: str) -> None:
        """Remove one folder."""
        with self._changing("rmdir", path):
            path = self._tree.canonical(path, follow=False)
            if self._tree.part(path) is self._configfs:
                self._configfs.rmdir(path)
                return
            kind = self._kind_or_refuse(path)
            if kind != "dir":
                raise refuse(errno.ENOTDIR, path)
            if self._tree.names(path):
                raise refuse(errno.ENOTEMPTY, path)
            self._remove(path)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link at `path`."""
        with self._changing("symlink", path, f" -> {target}"):
            path = self._new(path)
            if self._tree.part(path) is self._configfs:
                self._configfs.symlink(self._tree.canonical(target, follow=True), path)
            else:
                self._put(path, "link", target)

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        with self._changing("unlink", path):
            path = self._tree.canonical(path, follow=False)
            if self._tree.part(path) is self._configfs:
                self._configfs.unlink(path)
                return
            if self._kind_or_refuse(path) == "dir":
                raise refuse(errno.EISDIR, path)
            self._remove(path)

    def listdir(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if it is not there."""
        self._observe("listdir", path)
        path = self._tree.canonical(path, follow=True)
        kind = self._tree.kind(path)
        if kind not in ("dir", None):
            raise refuse(errno.ENOTDIR, path)
        return self._tree.names(path) if kind else []

    def exists(self, path: str) -> bool:
        """Return whether something stands at the path, a dangling link included."""
        return self._kind(path, follow=False) is not None

    def is_dir(self, path: str) -> bool:
        """Return whether a folder, and not a link to one, stands at the path."""
        return self._kind(path, follow=False) == "dir"

    def is_link(self, path: str) -> bool:
        """Return whether a symbolic link stands at the path."""
        return self._kind(path, follow=False) == "link"

    def resolve(self, path: str) -> str:
        """Return the path that a link, or a path through links, leads to."""
        return self._tree.canonical(path, follow=True)

    def is_block_device(self, path: str) -> bool:
        """Return whether the path leads to a block device that is there."""
        return self._kind(path, follow=True) == "block"

    def zvol_name(self, device: str) -> str:
        """Return the dataset behind a /dev/zdN, asked of the device itself."""
        self._observe("zvol_name", device)
        path, kind = self._there(device)
        if kind != "block":
            raise refuse(errno.ENOTTY, device)
        return self._udev.dataset(path)

    def make_dirs(self, path: str) -> None:
        """Make a folder and what is missing above it."""
        if self._kind(path, follow=True) == "dir":
            return
        with self._changing("make_dirs", path):
            done = ""
            for name in os.path.normpath(path).strip("/").split("/"):
                done = self._tree.canonical(f"{done}/{name}", follow=True)
                kind = self._tree.kind(done)
                if kind is None:
                    self._put(done, "dir")
                elif kind != "dir":
                    raise refuse(errno.EEXIST, done)

    def replace(self, path: str, text: str) -> None:
        """Replace a file so that a crash leaves the old or the new one whole."""
        with self._changing("replace", path, text=text):
            path = self._tree.canonical(path, follow=False)  # rename(2) does not follow a link
            if self._kind(parent_of(path), follow=True) != "dir":
                raise refuse(errno.ENOENT, path)
            if self._tree.part(path) is not self._files:
                raise refuse(errno.EACCES, path)
            self._files.put(path, "file", text)

    @contextlib.contextmanager
    def lock(self, path: str, timeout_s: float) -> Iterator[None]:
        """Hold an exclusive lock on the file while the block runs; it dies with the process."""
        self._observe("lock", path)
        path = self._lock_file(path)
        with locks.held(self._locks, path, timeout_s, locks.myself()):
            yield

    # What the world around the head does

    def set_faults(self, faults: Faults) -> None:
        """Set what goes wrong from now on, in every process that works on this head."""
        self._state.set_faults(faults)

    def journal(self, after: int = 0) -> tuple[Change, ...]:
        """Return every change that was made to the head since the one numbered `after`, in order."""
        return self._state.journal(after)

    @contextlib.contextmanager
    def held_by(self, path: str, holder: str) -> Iterator[None]:
        """Have someone else hold the lock `path` while the block runs, such as `pid 99 (targetcli)`."""
        with locks.held(self._locks, self._lock_file(path), 0.0, holder):
            yield

    def log_in(self, target: str, initiator: str, *, address: str = "10.0.0.2", tpg: int = 1) -> Session:
        """Log an initiator in to a target (its IQN); raises LoginRefusedError saying why it is not let in."""
        folder = f"{TOP}/iscsi/{target}/tpgt_{tpg}"
        with self._state.changing():
            attrib = f"{folder}/attrib"
            if not self.is_dir(folder) or self._configfs.read(f"{folder}/enable") != "1\n":
                raise LoginRefusedError("no such target is served", where=target)
            if not self.listdir(f"{folder}/np"):
                raise LoginRefusedError("the target has no portal", where=target)
            has_acl = self.is_dir(f"{folder}/acls/{initiator.lower()}")
            if not has_acl and self._configfs.read(f"{attrib}/generate_node_acls") != "1\n":
                raise LoginRefusedError("Authorization failure(514)", where=f"{target}, {initiator}")
            if self._configfs.read(f"{attrib}/authentication") == "1\n":
                raise LoginRefusedError("Authentication failure(513): CHAP is wanted", where=f"{target}, {initiator}")
            self._state.note("log_in", f"{target} {initiator}")
            return sessions.begin(self._state, folder, initiator, address, is_dynamic=not has_acl)

    def log_out(self, target: str, initiator: str, *, tpg: int = 1) -> None:
        """Log an initiator out."""
        with self._state.changing():
            self._state.note("log_out", f"{target} {initiator}")
            sessions.end(self._state, f"{TOP}/iscsi/{target}/tpgt_{tpg}", initiator.lower())

    def sessions(self, target: str, *, tpg: int = 1) -> tuple[Session, ...]:
        """Return who is logged in to a target."""
        return sessions.every(self._state, f"{TOP}/iscsi/{target}/tpgt_{tpg}")

    def reboot(self, *, restore: bool = True, late: Iterable[str] = ()) -> tuple[str, ...]:
        """Restart the head: configfs is emptied, devices get other numbers, saveconfig.json is restored.

        The volumes in `late` have no device yet when it is restored. Returns what the restore could not make.
        """
        late = tuple(late)
        with self._state.changing():
            self._state.note("reboot", "")
            self._configfs.clear()
            self._state.do("delete from nodes where kind = 'file' and path > ? and path < ?", *below("/run"))
            volumes = [row[0] for row in self._state.all("select dataset from devices order by minor desc")]
            self._state.do("delete from devices")
            for dataset in volumes:
                if dataset not in late:
                    self._udev.appear(dataset)
            boot = Restore(self._configfs)
            if restore and self._files.kind(SAVECONFIG) == "file":
                boot.run(self._files.text(SAVECONFIG))
            for dataset in late:
                self._udev.appear(dataset)
        return tuple(boot.errors)

    # Inside

    @property
    def _locks(self) -> Path:
        return self._state.path.with_name(self._state.path.name + ".locks")

    def _lock_file(self, path: str) -> str:
        path = self._tree.canonical(path, follow=True)
        if self._kind(parent_of(path), follow=True) != "dir":
            raise refuse(errno.ENOENT, path)
        if self._tree.kind(path) is None:
            with self._state.changing():
                self._files.put(path, "file")
        return path

    @contextlib.contextmanager
    def _changing(self, kind: str, path: str, detail: str = "", *, text: str = "") -> Iterator[None]:
        try:
            with self._state.mutation(kind, path + detail):
                yield
        except Struck as struck:
            fault = struck.fault
            if fault.effect == "half_written":
                with self._state.changing():
                    self._files.put(f"{path}.lunops-{os.getpid()}", "file", text[: len(text) // 2])
                if fault.die:
                    die()
                raise refuse(fault.errno or errno.ENOSPC, path) from None
            raise refuse(fault.errno or errno.EIO, path) from None

    def _observe(self, kind: str, path: str) -> None:
        try:
            self._state.observation(kind, path)
        except Struck as struck:
            number = struck.fault.errno or errno.EIO
            raise OSError(number, os.strerror(number), path) from None

    def _kind(self, path: str, *, follow: bool) -> Kind | None:
        try:
            return self._tree.kind(self._tree.canonical(path, follow=follow))
        except OSError:
            return None

    def _there(self, path: str) -> tuple[str, Kind]:
        path = self._tree.canonical(path, follow=True)
        return path, self._kind_or_refuse(path)

    def _kind_or_refuse(self, path: str) -> Kind:
        kind = self._tree.kind(path)
        if kind is None:
            raise refuse(errno.ENOENT, path)
        return kind

    def _new(self, path: str) -> str:
        """Return the canonical path of what is to be made; refuse if it is there, or its folder is not."""
        path = self._tree.canonical(path, follow=False)
        above = self._tree.kind(parent_of(path))
        if above is None:
            raise refuse(errno.ENOENT, path)
        if above != "dir":
            raise refuse(errno.ENOTDIR, path)
        if self._tree.kind(path) is not None:
            raise refuse(errno.EEXIST, path)
        return path

    def _put(self, path: str, kind: Kind, text: str = "") -> None:
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EPERM, path)
        self._files.put(path, kind, text)

    def _remove(self, path: str) -> None:
        if self._tree.part(path) is not self._files:
            raise refuse(errno.EPERM, path)
        self._files.remove(path)

    def _device_of(self, path: str) -> int:
        """Return the minor number of the zvol that a path leads to; raises OSError as the kernel's open does."""
        path, kind = self._there(path)
        if kind != "block":
            raise refuse(errno.ENOTBLK, path)
        return int(path.removeprefix("/dev/zd"))

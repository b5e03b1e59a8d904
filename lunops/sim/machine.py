"""A simulated head's parts put together, and what happens to it from outside: logins, reboots, faults."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lunops.sim import facts, locks, portals, sessions
from lunops.sim.boot import Restore
from lunops.sim.commands import Commands
from lunops.sim.configfs import TOP, Configfs
from lunops.sim.datasets import Datasets
from lunops.sim.faults import Faults
from lunops.sim.holders import Holding, How
from lunops.sim.sessions import LoginRefusedError, Session
from lunops.sim.standing import put_file, standing_files
from lunops.sim.state import Change, State
from lunops.sim.systemd import Systemd
from lunops.sim.tree import Files, Kind, Part, Tree, below, parent_of, refuse
from lunops.sim.udev import Udev
from lunops.sim.zfs import Zfs

SAVECONFIG = "/etc/rtslib-fb-target/saveconfig.json"
POOL_SIZE = 64 << 30
_FOLDERS = (
    *(
        "/etc",
        "/etc/rtslib-fb-target",
        "/proc",
        "/run",
        "/run/lock",
        "/root",
        "/srv",
        "/sys",
        "/sys/kernel",
        "/sys/kernel/config",
    ),
    *("/tmp", "/var", "/var/lib"),
)
_LINKS = {"/var/run": "/run", "/var/lock": "/run/lock"}


class Machine:
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
        self._net = portals.Net(self._state)
        parts: dict[str, Part] = {TOP: self._configfs, portals.NET: self._net}
        parts.update(dict.fromkeys(("/dev", "/sys/block", "/sys/devices"), self._udev))
        self._tree = Tree(self._files, parts)
        with self._state.changing():
            if self._files.kind("/run") is None:
                for folder in _FOLDERS:
                    self._files.put(folder, "dir")
                for path_, text in standing_files().items():
                    put_file(self._files, path_, text)
                for link, target in _LINKS.items():
                    self._files.put(link, "link", target)
            for pool in pools:
                if not self._state.one("select 1 from pools where name = ?", pool):
                    zfs.make_pool(pool, pool_size)

    def close(self) -> None:
        """Close the file; the head goes on existing in it."""
        self._state.close()

    def share_process(self) -> None:
        """Let what would kill the agent's process end its work alone: the process is not the agent's own."""
        self._state.is_alone = False

    def forget(self) -> None:
        """Remember nothing of the state, for the memory's sake."""
        self._state.forget()

    @property
    def is_dead(self) -> bool:
        """Whether the agent was killed, in a process that is not its own."""
        return self._state.is_dead

    def faults(self) -> Faults:
        """Return what goes wrong at present."""
        return self._state.faults()

    def set_faults(self, faults: Faults) -> None:
        """Set what goes wrong from now on, in every process that works on this head."""
        self._state.set_faults(faults)

    def met(self, fault: int = 0) -> int:
        """Return how many operations one of the faults, by its place, has counted since they were set."""
        return self._state.met(fault)

    def journal(self, after: int = 0) -> tuple[Change, ...]:
        """Return every change that was made to the head since the one numbered `after`, in order."""
        return self._state.journal(after)

    @contextlib.contextmanager
    def held_by(self, path: str, holder: str) -> Iterator[None]:
        """Have someone else hold the lock `path` while the block runs, such as `pid 99 (targetcli)`."""
        with locks.held(self._locks, self._lock_file(path), 0.0, holder):
            yield

    def log_in(
        self,
        target: str,
        initiator: str,
        *,
        address: str = "10.0.0.2",
        tpg: int = 1,
        portal: str = "",
        chap: tuple[str, str] = ("", ""),
    ) -> Session:
        """Log an initiator in to a target (its IQN); raises LoginRefusedError saying why it is not let in.

        It comes in at the first portal, or at the one that is given, and has the userid and password of `chap`.
        """
        folder = f"{TOP}/iscsi/{target}/tpgt_{tpg}"
        with self._state.changing():
            attrib = f"{folder}/attrib"
            if self._configfs.kind(folder) != "dir" or self._configfs.read(f"{folder}/enable") != "1\n":
                raise LoginRefusedError("no such target is served", where=target)
            if not self._configfs.names(f"{folder}/np"):
                raise LoginRefusedError("the target has no portal", where=target)
            has_acl = self._configfs.kind(f"{folder}/acls/{initiator.lower()}") == "dir"
            if not has_acl and self._configfs.read(f"{attrib}/generate_node_acls") != "1\n":
                raise LoginRefusedError("Authorization failure(514)", where=f"{target}, {initiator}")
            if not self._is_authentic(folder, initiator.lower() if has_acl else "", chap):
                raise LoginRefusedError("Authentication failure(513): CHAP is wanted", where=f"{target}, {initiator}")
            self._state.note("log_in", f"{target} {initiator}")
            portal = portal or portals.first(self._state, folder)
            return sessions.begin(self._state, folder, initiator, address, is_dynamic=not has_acl, portal=portal)

    def _is_authentic(self, tpg: str, acl: str, chap: tuple[str, str]) -> bool:
        """Return whether the target believes the initiator: the ACL's word goes before that of the TPG."""
        place = f"{tpg}/acls/{acl}" if acl else tpg
        wanted = self._configfs.read(f"{place}/attrib/authentication").strip()
        if acl and wanted == "-1":
            wanted = self._configfs.read(f"{tpg}/attrib/authentication").strip()
        secrets = tuple(self._configfs.read(f"{place}/auth/{name}")[:-1] for name in ("userid", "password"))
        return wanted != "1" or ("" not in secrets and secrets == chap)

    def log_out(self, target: str, initiator: str, *, tpg: int = 1) -> None:
        """Log an initiator out."""
        with self._state.changing():
            self._state.note("log_out", f"{target} {initiator}")
            sessions.end(self._state, f"{TOP}/iscsi/{target}/tpgt_{tpg}", initiator.lower())

    def write_data(self, dataset: str, count: int) -> None:
        """Write that many bytes to a volume, as an initiator does."""
        with self._state.changing():
            one = Datasets(self._state).find(dataset)
            if one is None or self._udev.minor(dataset) is None:
                raise refuse(errno.ENOENT, f"/dev/zvol/{dataset}")
            self._state.note("write_data", f"{dataset} {count}")
            facts.write(self._state, one, count)

    def sessions(self, target: str, *, tpg: int = 1) -> tuple[Session, ...]:
        """Return who is logged in to a target."""
        return sessions.every(self._state, f"{TOP}/iscsi/{target}/tpgt_{tpg}")

    @contextlib.contextmanager
    def holding(self, dataset: str, how: How, name: str) -> Iterator[None]:
        """Have a volume's device held by something else while the block runs; see `Holding.hold`."""
        holding = Holding(self._state, self._files, self._udev)
        with self._state.changing():
            holding.hold(dataset, how, name)
        try:
            yield
        finally:
            with self._state.changing():
                holding.release(dataset)

    def reboot(self, *, restore: bool = True, late: Iterable[str] = ()) -> tuple[str, ...]:
        """Restart the head: configfs is emptied, devices get other numbers, saveconfig.json is restored.

        The volumes in `late` have no device yet when it is restored, unless the head waits for them (boot_order).
        Returns what the restore could not make.
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
            if Systemd(self._state).waits_for_volumes():  # which asks udev again for what it lost, too
                while late:
                    self._udev.appear(late[0])
                    late = late[1:]
                self._state.do("update devices set link_at = 0")
            boot = Restore(self._configfs)
            if restore and self._files.kind(SAVECONFIG) == "file":
                boot.run(self._files.text(SAVECONFIG))
            for dataset in late:
                self._udev.appear(dataset)
        return tuple(boot.errors)

    @property
    def _locks(self) -> Path:
        return self._state.path.with_name(self._state.path.name + ".lock")

    def _lock_file(self, path: str) -> str:
        path = self._tree.canonical(path, follow=True)
        if self._kind(parent_of(path), follow=True) != "dir":
            raise refuse(errno.ENOENT, path)
        if self._tree.kind(path) is None:
            with self._state.changing():
                self._files.put(path, "file")
        return path

    def _kind(self, path: str, *, follow: bool) -> Kind | None:
        try:
            return self._tree.find(path, follow=follow)[1]
        except OSError:
            return None

    def _there(self, path: str) -> tuple[str, Kind]:
        path, kind = self._tree.find(path, follow=True)
        if kind is None:
            raise refuse(errno.ENOENT, path)
        return path, kind

    def _kind_or_refuse(self, path: str) -> Kind:
        kind = self._tree.kind(path)
        if kind is None:
            raise refuse(errno.ENOENT, path)
        return kind

    def _device_of(self, path: str) -> int:
        """Return the minor number of the zvol that a path leads to; raises OSError as the kernel's open does."""
        path, kind = self._there(path)
        if kind != "block":
            raise refuse(errno.ENOTBLK, path)
        return int(path.removeprefix("/dev/zd"))

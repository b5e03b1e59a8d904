"""Looking at a simulated head, beside its agent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Sequence

from lunops.model import Host
from lunops.sim.faults import Faults
from lunops.sim.head import SAVECONFIG, SimulatedSystem


class SimEyes:
    """A second process's view of the head's state file."""

    def __init__(self, host: Host) -> None:
        assert host.state is not None
        self.system = SimulatedSystem(host.state, pools=host.pools)

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        if argv[:2] == ["kill", "-9"]:  # the simulated head's agent is a process of this machine
            assert int(argv[2]) != os.getpid(), "give the head `sim_process`: its agent is at work in this process"
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(argv[2]), signal.SIGKILL)
            return 0, ""
        output = self.system.run(argv)
        return output.code, output.out

    def read(self, path: str) -> str:
        return self.system.read(path)

    def listdir(self, path: str) -> list[str]:
        return self.system.listdir(path)

    def exists(self, path: str) -> bool:
        return self.system.exists(path)

    def mkdir(self, path: str) -> None:
        self.system.mkdir(path)

    def rmdir(self, path: str) -> None:
        self.system.rmdir(path)

    def lose_targets(self) -> None:
        volumes = self.system.run(["zfs", "list", "-Hp", "-t", "volume", "-o", "name"]).out.split()
        self.system.reboot(late=volumes)
        saved = json.loads(self.system.read(SAVECONFIG))
        bare = [{**target, "tpgs": [{**tpg, "luns": []} for tpg in target["tpgs"]]} for target in saved["targets"]]
        self.system.replace(SAVECONFIG, json.dumps({**saved, "storage_objects": [], "targets": bare}))

    def unlink(self, path: str) -> None:
        self.system.unlink(path)

    def write(self, path: str, text: str) -> None:
        self.system.write(path, text)

    def symlink(self, target: str, path: str) -> None:
        self.system.symlink(target, path)

    def scribble(self, dataset: str) -> None:
        self.system.write_data(dataset, 512)

    def put(self, path: str, text: str) -> None:
        self.system.replace(path, text)

    def write_data(self, dataset: str, count: int) -> None:
        self.system.write_data(dataset, count)

    def mode(self, _path: str) -> int | None:
        return None  # a simulated head has no modes

    @contextlib.contextmanager
    def slowed(self, command: str) -> Iterator[None]:
        """Have a command such as `zfs clone` take as long as on a real head."""
        self.system.set_faults(Faults(delays_s={command: 0.05}))
        try:
            yield
        finally:
            self.system.set_faults(Faults())

    @contextlib.contextmanager
    def hold_lock(self, path: str) -> Iterator[None]:
        with self.system.lock(path, 5.0):
            yield

    @contextlib.contextmanager
    def log_in(self, wwn: str, initiator: str) -> Iterator[None]:
        self.system.log_in(wwn, initiator)
        try:
            yield
        finally:
            self.system.log_out(wwn, initiator)

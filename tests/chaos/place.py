"""The folder of a run: certificates of the service and of several clients, settings, inventory, simulated heads."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lunops import pki
from lunops.model import Json
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem

CLIENTS = 4
# Slow enough that a kill meets a task at work, quick enough for hundreds of jobs.
SLOW_S = {"zfs clone": 0.05, "zfs destroy": 0.05, "symlink": 0.01, "rmdir": 0.002, "replace": 0.005}


class Place:
    """All that a service needs. Heads with an even number have an agent in a process of its own."""

    def __init__(self, folder: Path, heads: int, store: str, settings: Mapping[str, Json]) -> None:
        """Make it; `store` is a URL, that of a file relative to the folder."""
        self.folder = folder
        self.store = store.replace("sqlite:///", f"sqlite:///{folder}/")
        self.heads = range(1, heads + 1)
        self.config = folder / "lunops.toml"
        self.inventory = folder / "inventory"
        now = datetime.now(UTC)
        made = pki.init(folder / "tls", name=["localhost", "127.0.0.1"], now=now)
        self.contexts = []
        for number in range(CLIENTS + 1):  # the last one is for whoever only looks
            issued = pki.issue(folder / "tls", f"client{number}", now=now)
            context = ssl.create_default_context(cafile=made.ca.certificate)
            context.load_cert_chain(issued.certificate, issued.key)
            self.contexts.append(context)
        self.inventory.write_text("".join(self._line(number) for number in self.heads))
        given: dict[str, Json] = {
            "listen": "127.0.0.1:0",
            "certificate": "tls/server.crt",
            "key": "tls/server.key",
            "client_ca": "tls/ca.crt",
            "inventory": "inventory",
            "store": store,
            **settings,
        }
        self.config.touch(mode=0o600)  # the URL of a store has a password
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items()))
        for number in self.heads:
            self.set_fault(number)

    def has_process(self, head: int) -> bool:
        """Return whether a head's agent is a process of its own."""
        return head % 2 == 0

    def state(self, head: int) -> Path:
        """Return the file with a head's state."""
        return self.folder / f"h{head}.sim"

    @contextmanager
    def head(self, head: int) -> Iterator[SimulatedSystem]:
        """Give a view of a head."""
        system = SimulatedSystem(self.state(head), pools=[f"p{head}"])
        try:
            yield system
        finally:
            system.close()

    def set_fault(self, head: int, *faults: Fault) -> None:
        """Let this go wrong on a head from now on, and nothing else."""
        with self.head(head) as system:
            system.set_faults(Faults(faults=faults, delays_s=SLOW_S))

    def _line(self, head: int) -> str:
        more = " sim_process=true" if self.has_process(head) else " delay_ms=3" if head % 3 == 0 else ""
        return f"jbod-{head:02} connection=sim pools=p{head} state={self.state(head).name}{more}\n"

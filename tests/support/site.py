"""A user's side of SSH for tests: keys, known_hosts, an ssh configuration, and the sshds that they lead to."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from lunops.connections import Timeouts, connect
from lunops.connections.session import Session
from lunops.model import Host, Item, Task
from tests.support.sshd import Sshd, make_key, public_key

SCRIPT = Path(__file__).with_name("scripted_agent.py")
QUICK = Timeouts(
    connect_s=2, handshake_s=2, auth_s=5, channel_s=5, attempts=2, hello_s=20, idle_s=2, send_s=5, close_s=0.5
)
# Answered by the real agent, on a machine with and without zfs: the dataset is on neither.
TASK = Task(
    id="01:wait_for_device",
    name="wait",
    module="wait_for_device",
    items=(Item(key="nopool/x", args={"dataset": "nopool/x", "timeout_s": 0.1}),),
)


class Site:
    """All in one folder; ends what it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = make_key(folder / "id_user")
        self.known_hosts = folder / "known_hosts"
        self.config = folder / "config"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def sshd(
        self,
        name: str = "head",
        *options: str,
        kinds: tuple[str, ...] = ("ed25519",),
        known: bool = True,
        within: tuple[str, ...] = (),
    ) -> Sshd:
        """Start an sshd that lets the user in; `known`: its host key is put into known_hosts."""
        authorized = self.folder / "authorized_keys"
        if not authorized.exists():
            authorized.write_text(public_key(self.key))
        sshd = Sshd(self.folder / name, authorized, *options, kinds=kinds, within=within)
        self._stack.callback(sshd.stop)
        sshd.start()
        if known:
            self.know(sshd.known_as(kind=kinds[0]))
        return sshd

    def know(self, line: str) -> None:
        """Add a line to known_hosts."""
        with self.known_hosts.open("a") as file:
            file.write(line)

    def configure(self, text: str) -> None:
        """Write the ssh configuration; {key} and {known_hosts} are filled in."""
        self.config.write_text(text.format(key=self.key, known_hosts=self.known_hosts))

    def host(self, sshd: Sshd | None = None, **more: object) -> Host:
        """Return an inventory's host for the sshd, by address, port and key, unless told otherwise."""
        host = Host(name="jbod-01", python=sys.executable)
        if sshd is not None:
            host = replace(
                host,
                address="127.0.0.1",
                port=sshd.port,
                user=getpass.getuser(),
                private_key=self.key,
                known_hosts=self.known_hosts,
            )
        return replace(host, **more)  # type: ignore[arg-type]

    def connect(self, host: Host, timeouts: Timeouts = QUICK) -> Session:
        """Connect, to be closed at the end of the test."""
        session = connect(host, timeouts=timeouts, ssh_config=self.config)
        self._stack.callback(session.close)
        return session

    def scripted_python(self, way: str) -> str:
        """Return a program to be used as the head's Python: it takes the bundle, then is the scripted agent."""
        program = self.folder / f"python-{way}"
        program.write_text(
            f"#!{sys.executable}\n"
            "import os, sys\n"
            "length = b''\n"
            "while not length.endswith(b'\\n'):\n"
            "    length += os.read(0, 1)\n"
            "left = int(length)\n"
            "while left:\n"
            "    left -= len(os.read(0, left))\n"
            f"os.execv({sys.executable!r}, [{sys.executable!r}, {str(SCRIPT)!r}, {way!r}])\n"
        )
        program.chmod(0o755)
        return str(program)

    def program(self, name: str, text: str) -> Path:
        """Make a program in a folder of its own for a PATH; return that folder."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
        return folder

    def finally_do(self, do: Callable[[], object]) -> None:
        """Do something at the end of the test."""
        self._stack.callback(do)

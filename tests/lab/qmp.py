"""Talk to a QEMU process over its QMP socket (QEMU's manual, "QEMU Machine Protocol Specification")."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab.errors import LabError


class Qmp:
    """One connection to a QMP socket; commands are run one at a time."""

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        """Connect, and leave the greeting behind; raises OSError while QEMU does not listen yet."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        # The address of a unix socket holds 107 bytes, a path in a user's cache folder may be longer.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        except BaseException:
            self._socket.close()
            raise
        finally:
            os.close(folder)
        self._file = self._socket.makefile("rb")
        try:
            self._read()
            self.run("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def run(self, command: str, **arguments: object) -> Any:
        """Run a command and return its result; raises LabError with QEMU's words if it fails."""
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = self._read()
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise LabError(f"QEMU refused {command}: {reply['error'].get('desc')}", where=str(self._path))

    def wait_for(self, command: str, *, until: tuple[str, ...], timeout_s: float) -> str:
        """Run a query again and again until its `status` is one of `until`, and return it."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = str(self.run(command).get("status"))
            if status in until:
                return status
            if time.monotonic() > deadline:
                raise LabError(f"{command} still says {status!r} after {timeout_s:.0f} s", where=str(self._path))
            time.sleep(0.05)

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise LabError("QEMU ended in the middle of a conversation", where=str(self._path))
        reply: dict[str, Any] = json.loads(line)
        return reply

"""How a head is reached: `local`, `ssh` or `sim`; each gives a `Session` with the same agent behind it."""

from __future__ import annotations

from pathlib import Path

from lunops.connections.base import Timeouts
from lunops.connections.session import Session
from lunops.errors import UnreachableError
from lunops.model import Host

__all__ = ["Session", "Timeouts", "connect"]


def connect(
    host: Host,
    *,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
    ssh_config: Path = Path("~/.ssh/config"),
) -> Session:
    """Connect to a head and start its agent.

    Raises `UnreachableError`, `HostKeyError`, `PrivilegeError`, `AgentError` or `DeadlineError`.
    """
    # Imported when needed: paramiko alone costs more than everything else of a local run.
    if host.connection == "local":
        from lunops.connections.local import open_local

        return open_local(host, timeouts=timeouts)
    if host.connection == "sim":
        from lunops.connections.sim import open_sim

        return open_sim(host, timeouts=timeouts)
    if host.connection == "ssh":
        from lunops.connections.ssh import open_ssh

        return open_ssh(host, timeouts=timeouts, config_path=ssh_config.expanduser())
    raise UnreachableError(
        f"{host.connection!r} is no kind of connection", where=host.name, fix="write ssh, local or sim"
    )

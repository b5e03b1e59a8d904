"""Run the agent on this very machine."""

from __future__ import annotations

import getpass
import time
from dataclasses import replace

from lunops.agent_bundle import preamble
from lunops.connections.base import Timeouts
from lunops.connections.elevation import Elevation
from lunops.connections.process import ProcessChannel
from lunops.connections.session import Session
from lunops.connections.startup import started_in_vain
from lunops.errors import AgentError, HeadError
from lunops.model import Host


def open_local(host: Host, *, timeouts: Timeouts) -> Session:
    """Start the agent as a child process, by sudo if the host says `become`.

    Raises `AgentError` or `PrivilegeError`, `DeadlineError` if it does not begin to speak.
    """
    began = time.monotonic()
    host = replace(host, user=getpass.getuser())
    elevation = Elevation(host)
    argv = elevation.argv(host.python)
    try:
        channel = ProcessChannel(argv, send_s=timeouts.send_s, close_s=timeouts.close_s)
    except AgentError as error:
        missing: HeadError = started_in_vain(host, 127, f"{argv[0]}: command not found", "")
        raise missing.at(host.name) from error
    return Session(host, channel, preamble=preamble(), began=began, timeouts=timeouts, elevation=elevation)

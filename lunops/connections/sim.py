"""Run the agent over a simulated head, whose state is a file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import lunops
from lunops.connections.base import Timeouts
from lunops.connections.process import ProcessChannel
from lunops.connections.session import Session
from lunops.errors import AgentError
from lunops.model import Host


def open_sim(host: Host, *, timeouts: Timeouts) -> Session:
    """Start `python -m lunops.sim` with the host's state file and pools.

    Raises `AgentError`, or `DeadlineError` if it does not begin to speak.
    """
    began = time.monotonic()
    if host.state is None:
        raise AgentError(
            "a simulated head needs a file for its state",
            where=host.name,
            fix="set the host variable `state` to a path",
        )
    pools = [word for pool in host.pools for word in ("--pool", pool)]
    # -P, and the path said outright: nothing in the working folder may stand in for a module.
    argv = (sys.executable, "-P", "-m", "lunops.sim", str(host.state), *pools)
    home = os.pathsep.join(filter(None, (str(Path(lunops.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    channel = ProcessChannel(
        argv,
        send_s=timeouts.send_s,
        close_s=timeouts.close_s,
        environment={**os.environ, "PYTHONPATH": home},
    )
    return Session(host, channel, began=began, timeouts=timeouts)

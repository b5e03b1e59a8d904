"""Run the agent over a simulated head, whose state is a file: within this process, or in one of its own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import lunops
from lunops.connections.base import Timeouts
from lunops.connections.process import ProcessChannel
from lunops.connections.session import Session
from lunops.connections.sim_channel import SimChannel
from lunops.errors import AgentError
from lunops.model import Host

_CONNECTING = 2  # round trips that connecting costs: as many as ssh's channel and the agent's first word


def open_sim(host: Host, *, timeouts: Timeouts) -> Session:
    """Serve the host's state file and pools, by `python -m lunops.sim` where it is to be a process of its own.

    Raises `AgentError`, or `DeadlineError` if it does not begin to speak.
    """
    began = time.monotonic()
    if host.state is None:
        raise AgentError(
            "a simulated head needs a file for its state",
            where=host.name,
            fix="set the host variable `state` to a path",
        )
    state, pools = host.state, host.pools

    def start() -> ProcessChannel:
        return _process(state, pools, timeouts)

    if host.delay_s:
        time.sleep(_CONNECTING * host.delay_s)
    try:
        channel = SimChannel(
            state, pools, delay_s=host.delay_s, start=start, is_process=host.sim_process, close_s=timeouts.close_s
        )
    except AgentError as error:
        raise error.at(host.name) from error.__cause__
    return Session(host, channel, began=began, timeouts=timeouts)


def _process(state: Path, pools: tuple[str, ...], timeouts: Timeouts) -> ProcessChannel:
    named = [word for pool in pools for word in ("--pool", pool)]
    # -P, and the path said outright: nothing in the working folder may stand in for a module.
    argv = (sys.executable, "-P", "-m", "lunops.sim", str(state), *named)
    home = os.pathsep.join(filter(None, (str(Path(lunops.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    return ProcessChannel(
        argv,
        send_s=timeouts.send_s,
        close_s=timeouts.close_s,
        environment={**os.environ, "PYTHONPATH": home},
    )

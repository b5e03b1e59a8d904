"""Serve the agent's protocol for a simulated head: `python -m lunops.sim STATEFILE --pool NAME…`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from lunops.agent.serve import serve
from lunops.sim.head import SimulatedSystem

DEFAULT_POOL = "tank"


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m lunops.sim", description=__doc__)
    parser.add_argument("state", type=Path, metavar="STATEFILE", help="the head's state; made if it is not there")
    parser.add_argument(
        "--pool",
        action="append",
        metavar="NAME",
        help="a pool to make if it is not there; else the pools in LUNOPS_SIM_POOLS (a,b)",
    )
    options = parser.parse_args()
    named = [name for name in os.environ.get("LUNOPS_SIM_POOLS", "").split(",") if name]
    pools = options.pool or named or ([] if options.state.exists() else [DEFAULT_POOL])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is the controller's to handle
    system = SimulatedSystem(options.state, pools=pools)
    try:
        serve(system, sys.stdin.buffer, sys.stdout.buffer)
    finally:
        system.close()


if __name__ == "__main__":
    main()

"""Serve the agent's protocol for a simulated head: `python -m lunops.sim STATEFILE --pool NAME…`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from lunops.agent.serve import serve
from lunops.sim.head import SimulatedSystem, pools_to_make


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is the controller's to handle
    system = SimulatedSystem(options.state, pools=pools_to_make(options.state, options.pool or ()))
    try:
        serve(system, sys.stdin.buffer, sys.stdout.buffer)
    finally:
        system.close()


if __name__ == "__main__":
    main()

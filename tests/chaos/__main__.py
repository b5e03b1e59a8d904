"""`python -m tests.chaos`: one run of the size that is asked for, its table, and exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.chaos.run import Options, run
from tests.support import postgres

_SIZES = ("seed", "workers", "heads", "jobs", "kills", "stops", "cuts", "databases")


def main() -> int:
    """Run it."""
    default = Options(seed=0)
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--workers", type=int, default=default.workers, help="0: the front does the work as well")
    parser.add_argument("--heads", type=int, default=default.heads)
    parser.add_argument("--jobs", type=int, default=default.jobs)
    parser.add_argument("--kills", type=int, default=default.kills)
    parser.add_argument("--stops", type=int, default=default.stops)
    parser.add_argument("--cuts", type=int, default=default.cuts)
    parser.add_argument(
        "--databases", type=int, default=default.databases, help="kills of the database; SQLite has none to kill"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--limit-s", type=float, default=default.limit_s)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a line for lunops.toml")
    parser.add_argument("--folder", type=Path, help="where all of it is kept; by default it is removed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends what it has started, as at Ctrl-C
    print(f"seed {options.seed}, store {options.store}", flush=True)
    settings = {name: json.loads(value) for name, _, value in (each.partition("=") for each in options.set)}
    wanted = replace(
        default,
        settings=settings,
        **{name: getattr(options, name) for name in _SIZES},
        limit_s=options.limit_s,
    )
    with ExitStack() as cleanup:
        if options.folder:
            options.folder.mkdir(parents=True)
        folder = options.folder or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="lunops-chaos-")))
        server = None
        if options.store == "postgres":
            server = cleanup.enter_context(postgres.running())
            wanted = replace(wanted, store=server.create_database("lunops"))
        report = run(wanted, folder.resolve(), server)
    wrong = [*report.wrong, *report.late()]
    print("\n".join([*report.lines(), *(f"  {what}" for what in report.late())]), flush=True)
    if wrong:
        print(f"to see it again: python -m tests.chaos --seed {options.seed} and the same options", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

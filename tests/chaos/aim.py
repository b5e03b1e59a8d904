"""Find out which process is at work, from outside: by the pids in the heads' journals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from lunops.sim.state import Change
from tests.chaos.actors import Actor
from tests.chaos.place import Place
from tests.support.sshd import parent


def at_work(place: Place, actors: Sequence[Actor], patience_s: float) -> Actor | None:
    """Return the first of these to change something on a head from now on; None if none does in time."""
    deadline = time.monotonic() + patience_s
    with ExitStack() as cleanup:
        heads = [cleanup.enter_context(place.head(number)) for number in place.heads]
        seen = [_last(head.journal()) for head in heads]
        while time.monotonic() < deadline:
            owners = {each.pid: each for each in actors if each.pid}
            for place_of, head in enumerate(heads):
                changes = head.journal(after=seen[place_of])
                for change in changes:
                    owner = owners.get(change.pid) or owners.get(parent(change.pid))
                    if owner is not None:
                        return owner
                seen[place_of] = _last(changes) or seen[place_of]
            time.sleep(0.005)
    return None


def _last(changes: Sequence[Change]) -> int:
    return changes[-1].n if changes else 0

"""What the kernel of a head holds, read back as a fragment; and a head that restores its saved configuration."""

from __future__ import annotations

import json
import zlib
from typing import Any, Protocol, cast

from lunops.agent import readback
from lunops.agent_bundle import bundle
from lunops.sim.head import SimulatedSystem
from tests.operations.bench import Bench

# On a real head the very same code reads; it is put there for this one call.
_READ = """
import json, os, sys, tempfile
given = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    for name, source in given["sources"].items():
        path = os.path.join(folder, *name.split(".")) + ".py"
        if name == "lunops.agent":
            path = os.path.join(folder, "lunops", "agent", "__init__.py")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write(source)
    sys.path.insert(0, folder)
    from lunops.agent import readback
    from lunops.agent.system import System
    print(json.dumps(readback.like(System(), given["wanted"])))
"""


class _RealEyes(Protocol):
    def run(self, argv: list[str], *, stdin: str = "") -> tuple[int, str]: ...

    def shell(self, script: str) -> str: ...


def _simulated(bench: Bench) -> SimulatedSystem | None:
    return getattr(bench.eyes, "system", None)


def like(bench: Bench, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what the kernel has of what a fragment says, in canonical order."""
    system = _simulated(bench)
    if system is not None:
        return readback.like(system, wanted)
    given = json.dumps({"sources": json.loads(zlib.decompress(bundle())), "wanted": wanted})
    code, out = cast(_RealEyes, bench.eyes).run(["python3", "-c", _READ], stdin=given)
    assert code == 0, out
    found: dict[str, Any] = json.loads(out)
    return found


def holds(bench: Bench, wanted: dict[str, Any]) -> bool:
    """Return whether the kernel has just what the fragment says."""
    return bool(like(bench, wanted) == readback.canonical(wanted))


def restore(bench: Bench) -> None:
    """Have the head forget its targets and restore saveconfig.json, as at boot."""
    system = _simulated(bench)
    if system is not None:
        assert system.reboot() == ()
    else:
        cast(_RealEyes, bench.eyes).shell("systemctl restart rtslib-fb-targetctl.service")

"""systemctl on the simulated head says what a real one (Debian 12, systemd 252) was recorded to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.sim.head import SimulatedSystem

UNITS = ("rtslib-fb-targetctl.service", "target.service", "zfs-import.target", "zfs-volume-wait.service")
DROP_IN = "/etc/systemd/system/rtslib-fb-targetctl.service.d/lunops.conf"
RECORDED = """\
Id=rtslib-fb-targetctl.service
After=sys-kernel-config.mount sysinit.target basic.target network.target local-fs.target systemd-journald.socket \
system.slice
LoadState=loaded
ActiveState=active
DropInPaths=
UnitFileState=enabled
NeedDaemonReload=no

Id=target.service
After=
LoadState=not-found
ActiveState=inactive
DropInPaths=
UnitFileState=
NeedDaemonReload=no

Id=zfs-import.target
After=zfs-import-cache.service
LoadState=loaded
ActiveState=active
DropInPaths=
UnitFileState=enabled
NeedDaemonReload=no

Id=zfs-volume-wait.service
After=systemd-journald.socket system.slice zfs-import.target systemd-udev-settle.service
LoadState=loaded
ActiveState=active
DropInPaths=
UnitFileState=enabled
NeedDaemonReload=no
"""


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    head = SimulatedSystem(tmp_path / "head", pools=["p1"])
    yield head
    head.close()


def show(head: SimulatedSystem, what: str, *units: str) -> str:
    output = head.run(["systemctl", "show", "-p", what, *units])
    assert (output.code, output.err) == (0, "")
    return output.out


def test_units_are_shown_as_by_the_real_head(head: SimulatedSystem) -> None:
    what = "Id,LoadState,UnitFileState,DropInPaths,After,ActiveState,NeedDaemonReload"

    assert show(head, what, *UNITS) == RECORDED


def test_a_drop_in_counts_only_once_systemd_has_read_it(head: SimulatedSystem) -> None:
    head.make_dirs(DROP_IN.rsplit("/", 1)[0])
    head.replace(DROP_IN, "[Unit]\nAfter=zfs-import.target\n", 0o644)
    stale = show(head, "DropInPaths,NeedDaemonReload", UNITS[0])
    head.run(["systemctl", "daemon-reload"])

    assert stale == "DropInPaths=\nNeedDaemonReload=yes\n"
    assert show(head, "DropInPaths,NeedDaemonReload", UNITS[0]) == f"DropInPaths={DROP_IN}\nNeedDaemonReload=no\n"
    assert " zfs-import.target\n" in show(head, "After", UNITS[0])
    assert head.mode(DROP_IN) == 0o644


def test_what_systemctl_does_not_know_is_an_error(head: SimulatedSystem) -> None:
    assert head.run(["systemctl", "enable", "nope.service"]).code == 1
    assert head.run(["systemctl", "dance"]).code == 1

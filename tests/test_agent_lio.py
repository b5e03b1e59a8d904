"""The agent's LIO parts on their own: what is read of the kernel, what is taken back, what is left behind."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.agent import alua, backing, fragment, readback, sockets, steps, takeback
from lunops.agent.steps import MKDIR, SYMLINK, WRITE, Step
from lunops.sim.faults import Fault, Faults
from lunops.sim.head import SimulatedSystem

ISCSI = "/sys/kernel/config/target/iscsi"
TARGET = f"{ISCSI}/iqn.2024-01.org.example:t"
TPG = f"{TARGET}/tpgt_1"
FILE_INFO = (
    "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512  HwMaxSectors: 16384\n"
    "        TCM FILEIO ID: 0        File: /srv/x/f1.img  Size: 16777216  Mode: Buffered-WCE Async: 1\n"
)
BLOCK_INFO = (
    "Status: DEACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 32768\n"
    "        iBlock device: zd32  UDEV PATH: /dev/zvol/p/v2  readonly: 1\n"
    "        Major: 230 Minor: 32  CLAIMED: IBLOCK\n"
)


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    system = SimulatedSystem(tmp_path / "head.sim", pools=["tank"])
    for folder in (ISCSI, TARGET, TPG):
        system.mkdir(folder)
    yield system
    system.close()


def test_what_info_shows_of_a_file_and_of_a_volume_is_read() -> None:
    assert backing.shown(FILE_INFO) == {
        "exported": "1",
        "fd_dev_name": "/srv/x/f1.img",
        "fd_dev_size": "16777216",
        "fd_async_io": "1",
        "fd_buffered_io": "1",
    }
    assert backing.shown(BLOCK_INFO) == {"exported": "0", "udev_path": "/dev/zvol/p/v2", "readonly": "1"}


@pytest.mark.parametrize(
    ("wanted", "now", "said"),
    [
        ({"preferred": "1"}, {"preferred": "1"}, []),
        ({"preferred": "1"}, {"preferred": "0"}, [("preferred", "1", "0")]),
        # the state needs an implicit type and its own support, and what else is wanted stands afterwards
        (
            {"alua_access_state": "1", "alua_access_type": "2"},
            {
                "alua_access_state": "0",
                "alua_access_type": "2",
                "alua_access_status": "1",
                "alua_support_active_nonoptimized": "0",
            },
            [
                ("alua_access_status", "1", "1"),
                ("alua_access_type", "3", "2"),
                ("alua_support_active_nonoptimized", "1", "0"),
                ("alua_access_state", "1", "0"),
                ("alua_access_type", "2", "3"),
                ("alua_support_active_nonoptimized", "0", "1"),
            ],
        ),
        # a new group takes any state, which alters its status
        (
            {"alua_access_state": "2", "alua_access_status": "0"},
            {},
            [("alua_access_state", "2", ""), ("alua_access_status", "0", "2")],
        ),
    ],
)
def test_a_group_is_written_in_the_order_that_the_kernel_takes(
    wanted: dict[str, str], now: dict[str, str], said: list[tuple[str, str, str]]
) -> None:
    assert alua.writes(wanted, now) == said


def test_who_is_connected_to_a_portal_is_read_of_proc(head: SimulatedSystem) -> None:
    head.write(f"{TPG}/attrib/authentication", "0")
    head.write(f"{TPG}/attrib/generate_node_acls", "1")
    for portal in ("10.0.2.15:3260", "[::1]:3261"):
        head.mkdir(f"{TPG}/np/{portal}")
    head.write(f"{TPG}/enable", "1")
    head.log_in("iqn.2024-01.org.example:t", "iqn.2024-01.org.example:a", address="10.0.0.7", portal="10.0.2.15:3260")
    head.log_in("iqn.2024-01.org.example:t", "iqn.2024-01.org.example:b", address="[fd00::7]", portal="[::1]:3261")

    assert sockets.peers(head, "10.0.2.15:3260") == ["10.0.0.7"]
    assert sockets.peers(head, "0.0.0.0:3260") == ["10.0.0.7"]
    assert sockets.peers(head, "[::1]:3261") == ["fd00::7"]
    assert sockets.peers(head, "10.0.2.16:3260") == []


def test_addresses_are_read_as_proc_writes_them_an_ipv4_one_in_ipv6_too() -> None:
    assert str(sockets.address("0000000000000000FFFF00000202000A")) == "10.0.2.2"
    assert str(sockets.address("0202000A")) == "10.0.2.2"
    assert sockets.plain("[::ffff:10.0.2.2]") == sockets.plain("10.0.2.2") == "10.0.2.2"
    assert sockets.plain("[fd00::7]") == "fd00::7"
    assert sockets.plain("") == ""
    assert str(sockets.address("000000FD000000000000000007000000")) == "fd00::7"


def test_what_cannot_be_taken_back_is_told_as_commands_and_old_secrets_are_not(head: SimulatedSystem) -> None:
    head.mkdir(f"{TPG}/acls/iqn.2024-01.org.example:i")
    password = f"{TPG}/acls/iqn.2024-01.org.example:i/auth/password"
    head.write(password, "canary-old")
    done: list[Step] = []
    steps.apply(
        head,
        [
            Step(WRITE, f"{TPG}/attrib/login_timeout", "7", old="15"),
            Step(WRITE, password, "canary-new", old="canary-old", secret=True),
            Step(MKDIR, f"{TPG}/np/127.0.0.1:3260"),
        ],
        done,
    )
    head.set_faults(
        Faults(
            faults=(
                Fault(on="rmdir", errno=errno.EBUSY),
                Fault(on="write", match="login_timeout", errno=errno.EIO),
                Fault(on="write", match="auth/password", errno=errno.EIO),
            )
        )
    )

    back, left = takeback.take_back(head, done)

    assert back == []
    assert left[0].startswith(f"rmdir {TPG}/np/127.0.0.1:3260  # ")
    assert left[1].startswith(f"cat > {password}")
    assert left[2].startswith(f"echo 15 > {TPG}/attrib/login_timeout  # ")
    assert "canary" not in "".join(left)


def test_a_kernel_that_answers_yes_and_does_nothing_is_seen_through(head: SimulatedSystem) -> None:
    made = f"{TPG}/np/127.0.0.1:3260"
    head.mkdir(made)

    class Deaf(SimulatedSystem):
        def rmdir(self, path: str) -> None:
            pass

    deaf = Deaf(head._state.path)
    back, left = takeback.take_back(deaf, [Step(MKDIR, made)])
    deaf.close()

    assert back == ["rmdir iscsi/iqn.2024-01.org.example:t/tpgt_1/np/127.0.0.1:3260"]
    assert left == [f"rmdir {made}  # it is still there"]


def test_an_acl_that_was_removed_comes_back_with_all_that_it_had(head: SimulatedSystem) -> None:
    acl = f"{TPG}/acls/iqn.2024-01.org.example:i"
    head.mkdir(acl)
    for name, value in (("tag", "x"), ("cmdsn_depth", "9"), ("auth/userid", "u"), ("auth/password", "p")):
        head.write(f"{acl}/{name}", value)
    head.write(f"{acl}/attrib/nopin_timeout", "7")
    before = readback.node_acl(head, acl)
    removal = takeback.removal(head, acl)
    done: list[Step] = []

    steps.apply(head, [removal], done)
    gone = head.is_dir(acl)
    back, left = takeback.take_back(head, done)

    assert not gone
    assert left == []
    assert readback.node_acl(head, acl) == before
    assert "p" not in [line.rsplit(" = ", 1)[-1] for line in back if "password" in line]


def test_authentication_is_never_switched_on_over_a_list_of_methods_without_any(head: SimulatedSystem) -> None:
    head.write(f"{TPG}/attrib/authentication", "0")
    head.write(f"{TPG}/param/AuthMethod", "None")
    wanted = fragment.target_entries(
        {
            "fabric": "iscsi",
            "wwn": "iqn.2024-01.org.example:t",
            "tpgs": [{"tag": 1, "enable": False, "attributes": {"authentication": 1}}],
        },
        lambda name: name,
    )

    way = steps.difference(wanted, steps.observe(head, wanted))
    steps.apply(head, way, [])

    assert [str(step).rsplit("/", 1)[-1] for step in way] == ["AuthMethod = CHAP", "authentication = 1"]
    assert head.read(f"{TPG}/param/AuthMethod") == "CHAP\n"
    assert SYMLINK not in [step.call for step in way]

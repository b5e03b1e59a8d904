"""Initiators on the simulated head, and what is left after a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.agent import lio
from lunops.sim.head import SAVECONFIG, SimulatedSystem
from lunops.sim.sessions import LoginRefusedError
from lunops.sim.values import KernelOops

GOLDEN = "p1/images/golden@1"
IQN = "iqn.2024-01.org.example:n1"
NODE = "iqn.2024-01.org.example:node"
TOP = "/sys/kernel/config/target"
TPG = f"{TOP}/iscsi/{IQN}/tpgt_1"
ACL = f"{TPG}/acls/{NODE}"
STORAGE = f"{TOP}/core/iblock_0/lo-1"
SERIAL = "0b9f6d4e-1111-5222-8333-444455556666"
SAVED = {
    "storage_objects": [
        {
            "plugin": "block",
            "name": "lo-1",
            "dev": "/dev/zvol/p1/x",
            "wwn": SERIAL,
            "attributes": {"emulate_tpu": 1},
            "readonly": False,
        }
    ],
    "targets": [
        {
            "fabric": "iscsi",
            "wwn": IQN,
            "tpgs": [
                {
                    "tag": 1,
                    "enable": True,
                    "attributes": {"authentication": 0},
                    "parameters": {"MaxConnections": "1"},
                    "luns": [{"index": 0, "storage_object": "/backstores/block/lo-1", "alias": "aaaaaaaaaa"}],
                    "portals": [{"ip_address": "0.0.0.0", "port": 3260, "iser": False, "offload": False}],
                    "node_acls": [
                        {
                            "node_wwn": NODE,
                            "attributes": {"dataout_timeout": 4},
                            "mapped_luns": [{"index": 0, "tpg_lun": 0, "write_protect": False, "alias": "bbbbbbbbbb"}],
                        }
                    ],
                }
            ],
        }
    ],
}


@pytest.fixture
def head(tmp_path: Path) -> Iterator[SimulatedSystem]:
    """Return a head that serves p1/x, as it is after a boot with that in its saved configuration."""
    head = SimulatedSystem(tmp_path / "head", pools=["p1"])
    assert head.run(["zfs", "clone", GOLDEN, "p1/x"]).code == 0
    head.replace(SAVECONFIG, json.dumps(SAVED))
    assert head.reboot() == ()
    yield head
    head.close()


def test_an_initiator_of_the_acl_is_shown_in_its_info_and_holds_the_volume(head: SimulatedSystem) -> None:
    assert head.read(f"{ACL}/info") == f"No active iSCSI Session for Initiator Endpoint: {NODE}\n"
    head.log_in(IQN, NODE.upper().replace("IQN", "iqn"), address="10.0.0.7")
    assert head.read(f"{ACL}/info").startswith(f"InitiatorName: {NODE.upper().replace('IQN', 'iqn')}\n")
    assert "   Address 10.0.0.7 TCP  StatSN:" in head.read(f"{ACL}/info")
    assert lio.sessions(head, f"{TOP}/iscsi/{IQN}") == [f"{NODE} from 10.0.0.7"]
    assert head.read(f"{TPG}/dynamic_sessions") == ""
    assert head.run(["zfs", "destroy", "p1/x"]).err == "cannot destroy 'p1/x': dataset is busy\n"
    head.log_out(IQN, NODE)
    assert lio.sessions(head, f"{TOP}/iscsi/{IQN}") == []


def test_an_initiator_without_an_acl_is_refused_unless_the_target_makes_them_up(head: SimulatedSystem) -> None:
    stranger = "iqn.2024-01.org.example:stranger"
    with pytest.raises(LoginRefusedError, match="Authorization failure"):
        head.log_in(IQN, stranger)
    head.write(f"{TPG}/attrib/generate_node_acls", "1")
    assert head.log_in(IQN, stranger).dynamic
    assert head.read(f"{TPG}/dynamic_sessions") == f"{stranger}\n\0"
    assert lio.sessions(head, f"{TOP}/iscsi/{IQN}") == [f"{stranger} (without an ACL)"]


def test_nobody_is_let_in_where_nothing_is_served(head: SimulatedSystem) -> None:
    with pytest.raises(LoginRefusedError, match="no such target"):
        head.log_in(IQN + "0", NODE)
    head.write(f"{TPG}/attrib/authentication", "1")
    with pytest.raises(LoginRefusedError, match="CHAP"):
        head.log_in(IQN, NODE)
    head.rmdir(f"{TPG}/np/0.0.0.0:3260")
    with pytest.raises(LoginRefusedError, match="no portal"):
        head.log_in(IQN, NODE)
    head.write(f"{TPG}/enable", "0")
    with pytest.raises(LoginRefusedError, match="no such target"):
        head.log_in(IQN, NODE)


@pytest.mark.parametrize(
    ("path", "text"), [(f"{TPG}/enable", "0"), (f"{ACL}/cmdsn_depth", "32")], ids=["disable", "cmdsn_depth"]
)
def test_some_writes_end_a_session(head: SimulatedSystem, path: str, text: str) -> None:
    head.log_in(IQN, NODE)
    head.write(path, text)
    assert head.sessions(IQN) == ()


def test_unmapping_leaves_a_session_and_removing_its_acl_ends_it(head: SimulatedSystem) -> None:
    head.log_in(IQN, NODE)
    head.unlink(f"{ACL}/lun_0/bbbbbbbbbb")
    head.rmdir(f"{ACL}/lun_0")
    assert len(head.sessions(IQN)) == 1
    head.rmdir(ACL)
    assert head.sessions(IQN) == ()


def test_a_reboot_gives_other_device_numbers_and_serves_the_same_luns(head: SimulatedSystem) -> None:
    before = head.resolve("/dev/zvol/p1/x")
    head.log_in(IQN, NODE)
    head.mkdir(f"{TOP}/core/iblock_7")
    head.replace("/run/left", "over")
    assert head.reboot() == ()
    assert head.resolve("/dev/zvol/p1/x") != before
    assert head.sessions(IQN) == ()
    assert not head.exists(f"{TOP}/core/iblock_7")
    assert not head.exists("/run/left")
    assert SERIAL in head.read(f"{STORAGE}/wwn/vpd_unit_serial")
    assert head.read(f"{STORAGE}/attrib/emulate_tpu") == "1\n"
    assert head.read(f"{ACL}/attrib/dataout_timeout") == "4\n"
    assert head.resolve(f"{ACL}/lun_0/bbbbbbbbbb") == f"{TPG}/lun/lun_0"
    head.log_in(IQN, NODE)


def test_a_volume_that_is_late_at_boot_leaves_an_enabled_target_without_its_lun(head: SimulatedSystem) -> None:
    errors = head.reboot(late=["p1/x"])
    assert any("lo-1" in error for error in errors)
    assert not head.exists(STORAGE)
    assert head.read(f"{TPG}/enable") == "1\n"
    assert head.listdir(f"{TPG}/lun") == []
    assert head.is_block_device("/dev/zvol/p1/x")


def test_a_head_can_boot_without_its_saved_configuration(head: SimulatedSystem) -> None:
    assert head.reboot(restore=False) == ()
    assert not head.exists(f"{TOP}/iscsi")


def test_what_would_crash_the_kernel_is_no_ordinary_error(head: SimulatedSystem) -> None:
    head.mkdir(f"{TOP}/core/iblock_9")
    head.mkdir(f"{TOP}/core/iblock_9/so")
    with pytest.raises(KernelOops):
        head.write(f"{TOP}/core/iblock_9/so/attrib/emulate_tpu", "1")

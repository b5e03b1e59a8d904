"""`lunops plan` and `lunops apply` on simulated heads: what was planned is done, and nothing else ever is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunops.cli import run
from lunops.errors import SavedPlanError
from lunops.saved.model import FORMAT, from_bytes, to_text
from lunops.sim.head import SimulatedSystem

ISCSI = "/sys/kernel/config/target/iscsi"
IQN = "iqn.2024-01.org.example:n{}"


class Site:
    """One head with an inventory, a batch of two LUNs, and a plan to be saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.head = SimulatedSystem(folder / "h.sim", pools=["tank"])
        (folder / "heads").write_text("h connection=sim pools=tank\n")
        self.batch(2)

    def batch(self, count: int) -> None:
        clones = [
            {
                "src": "tank/images/golden@1",
                "dst": f"tank/nodes/n{number}",
                "wwn": IQN.format(number),
                "initiators": ["iqn.2024-01.org.example:i"],
                "createParent": True,
            }
            for number in range(count)
        ]
        (self.folder / "batch.json").write_text(json.dumps({"clones": clones}))

    def plan(self, playbook: str = "create-batch", *more: str) -> int:
        extra = ["-e", "@batch.json"] if playbook.endswith("-batch") else []
        return run(["plan", playbook, "-i", "heads", *extra, *more, "-o", "p.json"])

    def play(self, text: str) -> str:
        (self.folder / "play.yml").write_text(text)
        return "play.yml"

    def zfs(self, *words: str) -> str:
        done = self.head.run(["zfs", *words])
        assert done.code == 0, done.err
        return done.out

    def state(self) -> tuple[str, list[str], str]:
        """Return all that can be seen of the head."""
        saved = self.head.read("/etc/rtslib-fb-target/saveconfig.json") if self.has_saveconfig() else ""
        return self.zfs("list", "-Hp", "-t", "all", "-o", "name,guid,volsize"), self.head.listdir(ISCSI), saved

    def has_saveconfig(self) -> bool:
        return self.head.exists("/etc/rtslib-fb-target/saveconfig.json")

    def saved(self) -> Any:
        return json.loads((self.folder / "p.json").read_text())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    site = Site(tmp_path)
    yield site
    site.head.close()


def volumes(site: Site) -> set[str]:
    return {name for name in site.zfs("list", "-H", "-o", "name", "-t", "volume").split() if "/nodes/" in name}


# done


def test_what_was_planned_is_done(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = site.state()
    assert site.plan() == 0
    assert "zfs clone tank/images/golden@1 tank/nodes/n0" in capsys.readouterr().out
    assert site.state() == before

    assert run(["apply", "p.json", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "would change: [h]" in shown
    assert "PLAY RECAP" in shown
    assert volumes(site) == {"tank/nodes/n0", "tank/nodes/n1"}
    assert {IQN.format(0), IQN.format(1)} <= set(site.head.listdir(ISCSI))


def test_a_plan_to_delete_is_done(site: Site) -> None:
    assert run(["run", "create-batch", "-i", "heads", "-e", "@batch.json"]) == 0
    assert site.plan("delete-batch", "-e", "deleteClones=true") == 0
    assert len(volumes(site)) == 2

    assert run(["apply", "p.json", "-y", "--detailed-exitcode"]) == 3
    assert volumes(site) == set()
    assert not [name for name in site.head.listdir(ISCSI) if name.startswith("iqn.")]


def test_an_apply_says_what_it_did_as_a_run_does(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.plan("create-batch", "--json", "--detailed-exitcode") == 3
    planned = json.loads(capsys.readouterr().out)
    assert run(["apply", "p.json", "-y", "--json", "--junit", "junit.xml"]) == 0
    done = json.loads(capsys.readouterr().out)

    assert (planned["check"], done["check"]) == (True, False)
    assert [task["id"] for task in planned["tasks"]] == [task["id"] for task in done["tasks"]]
    assert "<testsuite" in (site.folder / "junit.xml").read_text()


def test_what_was_limited_and_chosen_by_tags_is_so_when_it_is_done(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "- hosts: all\n  tasks:\n" + "".join(
        f"    - {{name: {tag}, zfs_filesystem: {{dataset: tank/{tag}}}, tags: [{tag}]}}\n" for tag in ("a", "b")
    )
    assert site.plan(site.play(text), "--tags", "b", "-l", "h", "-e", "x=1") == 0
    assert run(["apply", "p.json", "-y"]) == 0
    capsys.readouterr()

    assert "tank/b" in site.zfs("list", "-H", "-o", "name").split()
    assert "tank/a" not in site.zfs("list", "-H", "-o", "name").split()


def test_a_plan_is_its_owners_alone_even_where_a_file_was_there(site: Site) -> None:
    path = site.folder / "p.json"
    path.write_text("old")
    path.chmod(0o644)
    assert site.plan() == 0

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert from_bytes(path.read_bytes(), "p.json").lunops_plan == FORMAT
    assert [each.name for each in site.folder.glob(".p.json*")] == []


def test_the_state_that_a_plan_was_made_from_stands_in_it(site: Site) -> None:
    assert site.plan() == 0
    state = site.saved()["states"]["h"]

    assert state["datasets"]["tank/nodes/n0"] is None
    guid = site.zfs("get", "-Hp", "-o", "value", "guid", "tank/images/golden@1").strip()
    assert state["datasets"]["tank/images/golden@1"]["guid"] == guid
    assert state["targets"] == {IQN.format(0): None, IQN.format(1): None}
    assert set(site.saved()["digests"]) >= {"heads", "batch.json"}


# refused


def change_inventory(site: Site) -> None:
    (site.folder / "heads").write_text("# another line\nh connection=sim pools=tank\n")


def add_variables(site: Site) -> None:
    (site.folder / "host_vars").mkdir()
    (site.folder / "host_vars" / "h.yml").write_text("some: thing\n")


def take_batch_away(site: Site) -> None:
    (site.folder / "batch.json").unlink()


def make_clone(site: Site) -> None:
    site.zfs("create", "tank/nodes")
    site.zfs("clone", "tank/images/golden@1", "tank/nodes/n0")


def exchange_golden(site: Site) -> None:
    site.zfs("destroy", "tank/images/golden@1")
    site.zfs("snapshot", "tank/images/golden@1")


def lose_golden(site: Site) -> None:
    site.zfs("destroy", "tank/images/golden@1")


def make_parent(site: Site) -> None:
    site.zfs("create", "tank/nodes")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_inventory, "heads has changed"),
        (add_variables, "host_vars/h.yml was not there, or not read"),
        (take_batch_away, "batch.json is gone"),
        (make_clone, "h: tank/nodes/n0 was not there, and is there now (guid "),
        (exchange_golden, "h: tank/images/golden@1 is another one of the same name: it was guid "),
        (lose_golden, "h: tank/images/golden@1 was there (guid "),
        # It is about neither dataset nor target of an item, so that the check run alone tells.
        (make_parent, "01:zfs_clone 'Make the clones': tank/nodes/n0: before: would change (zfs create"),
    ],
)
def test_what_has_changed_is_named_and_nothing_is_run(
    change: Callable[[Site], None], said: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.plan() == 0
    change(site)
    before = site.state()
    capsys.readouterr()

    assert run(["apply", "p.json", "-y"]) == 8
    told = capsys.readouterr()
    assert said in told.err
    assert "nothing was run" in told.err
    assert "make the plan anew" in told.err
    assert site.state() == before


def disable(site: Site) -> None:
    site.head.write(f"{ISCSI}/{IQN.format(0)}/tpgt_1/enable", "0\n")


def let_in(site: Site) -> None:
    site.head.mkdir(f"{ISCSI}/{IQN.format(0)}/tpgt_1/acls/iqn.2024-01.org.example:stranger")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (disable, f"the target {IQN.format(0)} was changed: not as they were are its enable"),
        (let_in, f"the target {IQN.format(0)} was changed: not as they were are its node acls"),
    ],
)
def test_a_target_that_was_changed_by_hand_is_named(
    change: Callable[[Site], None], said: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "create-batch", "-i", "heads", "-e", "@batch.json"]) == 0
    assert site.plan("delete-batch") == 0
    change(site)
    before = site.state()
    capsys.readouterr()

    assert run(["apply", "p.json", "-y"]) == 8
    assert said in capsys.readouterr().err
    assert site.state() == before


def test_a_plan_is_done_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.plan() == 0
    assert run(["apply", "p.json", "-y"]) == 0
    capsys.readouterr()

    assert run(["apply", "p.json", "-y"]) == 8
    assert f"h: the target {IQN.format(0)} was not there, and is there now" in capsys.readouterr().err


def test_a_volume_that_was_grown_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.zfs("create", "-V", "64M", "tank/v")
    play = site.play("- hosts: all\n  tasks:\n    - zfs_set: {dataset: tank/v, properties: {compression: lz4}}\n")
    assert site.plan(play) == 0
    site.zfs("set", "volsize=128M", "tank/v")
    capsys.readouterr()

    assert run(["apply", "p.json", "-y"]) == 8
    assert "h: tank/v has another volsize: it was 67108864, and is 134217728" in capsys.readouterr().err


def test_without_a_terminal_and_yes_nothing_is_run(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.plan() == 0
    before = site.state()

    assert run(["apply", "p.json"]) == 5
    assert "add --yes" in capsys.readouterr().err
    assert site.state() == before


@pytest.mark.parametrize(("answer", "code", "count"), [("n", 8, 0), ("y", 0, 2)])
def test_on_a_terminal_it_shows_what_it_will_do_and_asks(answer: str, code: int, count: int, site: Site) -> None:
    assert site.plan() == 0
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "lunops", "apply", "p.json"],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)

    assert done.returncode == code, done.stderr
    assert done.stdout.index("zfs clone tank/images/golden@1 tank/nodes/n1") < done.stdout.index("do this?")
    assert len(volumes(site)) == count


# not saved


def test_no_plan_is_saved_where_a_head_is_unreachable_or_something_fails(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.folder / "heads").write_text("h connection=sim pools=tank\ngone ansible_host=127.0.0.1 ansible_port=1\n")
    assert site.plan(site.play("- hosts: all\n  tasks:\n    - zfs_list: {dataset: tank, properties: [used]}\n")) == 4
    assert "p.json was not written: what is above has failed" in capsys.readouterr().err
    lose_golden(site)
    assert site.plan() == 2
    assert "p.json was not written" in capsys.readouterr().err

    assert not (site.folder / "p.json").exists()


def test_nothing_is_run_where_a_head_cannot_be_reached_any_more(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.plan() == 0
    site.head.close()
    (site.folder / "h.sim").unlink()
    (site.folder / "h.sim").mkdir()  # no head any more

    assert run(["apply", "p.json", "-y"]) in (2, 4, 6)
    assert "nothing was run" in capsys.readouterr().err
    (site.folder / "h.sim").rmdir()


def test_what_cannot_be_told_is_listed_loudly(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    play = site.play("- hosts: all\n  tasks:\n    - {name: Ask, command: echo hello}\n")
    assert site.plan(play) == 0
    assert "UNKNOWN: 1 cannot be told without doing them:\n  [h] 01:command Ask" in capsys.readouterr().err

    assert run(["apply", "p.json", "-y"]) == 0
    assert "UNKNOWN: 1 cannot be told" in capsys.readouterr().err


# secrets


SECRET = "canary-s3cret"
BEGIN = """
- hosts: all
  tasks:
"""
DISCOVERY = """
    - name: Discovery
      lio_discovery: {enable: true, userid: u, password: "{{ secret }}-d"}
"""
QUIET = """
    - name: Quiet
      copy: {dest: /etc/quiet, content: "word={{ secret }}"}
      no_log: true
"""


def test_no_secret_is_in_a_plan(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.folder / "vars.yml").write_text(f"secret: {SECRET}\n")
    (site.folder / "key").write_text("a passphrase")
    (site.folder / "key").chmod(0o600)
    key = ["--vault-password-file", "key"]
    for encrypted in (False, True):
        if encrypted:
            assert run(["vault", "encrypt", "vars.yml", *key]) == 0
        assert site.plan(site.play(BEGIN + DISCOVERY + QUIET), "-e", "@vars.yml", *(key if encrypted else [])) == 0
        assert SECRET not in (site.folder / "p.json").read_text()
    assert SECRET not in "".join(capsys.readouterr())
    assert run(["apply", "p.json", "-y"]) == 8  # without the key
    assert run(["apply", "p.json", "-y", *key]) == 0
    assert SECRET in site.head.read("/etc/quiet")


def test_a_digest_is_of_the_file_as_it_is_encrypted(site: Site) -> None:
    (site.folder / "vars.yml").write_text("pin: 1234\n")
    (site.folder / "key").write_text("a passphrase")
    (site.folder / "key").chmod(0o600)
    play = site.play("- hosts: all\n  tasks:\n    - zfs_list: {dataset: tank, properties: [used]}\n")
    assert site.plan(play, "-e", "@vars.yml") == 0
    plain = site.saved()["digests"]["vars.yml"]
    assert run(["vault", "encrypt", "vars.yml", "--vault-password-file", "key"]) == 0
    assert site.plan(play, "-e", "@vars.yml", "--vault-password-file", "key") == 0

    assert site.saved()["digests"]["vars.yml"] != plain


@pytest.mark.parametrize("task", [DISCOVERY, QUIET])
@pytest.mark.parametrize("word", [f"secret={SECRET}", json.dumps({"secret": SECRET})])
def test_a_secret_on_the_command_line_is_refused_with_the_remedy(
    task: str, word: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.plan(site.play(BEGIN + task), "-e", "other=1", "-e", word) == 8
    told = capsys.readouterr()
    assert "the plan would hold a secret that -e gives: secret\n" in told.err
    assert "-e @FILE" in told.err
    assert SECRET not in told.out + told.err
    assert not (site.folder / "p.json").exists()


# any file


def refused(data: bytes, folder: Path) -> None:
    path = folder / "any"
    path.write_bytes(data)
    assert run(["apply", str(path), "-y"]) == 8


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=8,
)
ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(data=st.binary(max_size=60))
def test_any_bytes_are_an_error_and_no_traceback(data: bytes, tmp_path: Path) -> None:
    refused(data, tmp_path)


@ANY
@given(value=JSON, format_=st.sampled_from([FORMAT, 0, True, None]))
def test_any_json_is_an_error_and_no_traceback(value: Any, format_: Any, tmp_path: Path) -> None:
    refused(json.dumps(value).encode(), tmp_path)
    refused(json.dumps({"lunops_plan": format_, "heads": value}).encode(), tmp_path)


@ANY
@given(value=JSON, data=st.data())
def test_a_plan_with_any_other_value_in_it_is_an_error_and_no_traceback(
    value: Any, data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = json.loads(PLAN)
    at = plan
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = value

    refused(json.dumps(plan).encode(), tmp_path)  # there is no such playbook


PLAN = json.dumps(
    {
        "lunops_plan": FORMAT,
        "version": "1",
        "made": "",
        "folder": "/",
        "options": {"plan": "nosuch.yml", "inventory": ["nosuch"], "tags": ["a"], "extra_vars": ["a=1"]},
        "digests": {"nosuch.yml": "00"},
        "heads": {"h": [{"id": "1", "name": "n", "module": "m", "status": "ok", "items": []}]},
        "states": {"h": {"datasets": {"p/x": {"guid": "1"}, "p/y": None}, "targets": {}}},
    }
)


def test_a_plan_reads_back_as_it_was_written() -> None:
    plan = from_bytes(PLAN.encode(), "p")

    assert from_bytes(to_text(plan).encode(), "p") == plan


def test_a_plan_of_another_format_says_so() -> None:
    with pytest.raises(SavedPlanError, match=r"has the format '2', and this lunops reads 1"):
        from_bytes(PLAN.replace('"lunops_plan": 1', '"lunops_plan": 2').encode(), "p")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'"\\ud800"', b"1" * 5000, b'{"lunops_plan": NaN}'])
def test_what_json_readers_stumble_over_is_an_error(data: bytes, tmp_path: Path) -> None:
    refused(data, tmp_path)

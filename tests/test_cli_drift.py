"""`lunops drift`, `reconcile` and `adopt` as one calls them, over simulated heads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lunops.cli import run
from lunops.inventory import parse
from tests.operations import strangers
from tests.operations.bench import ISCSI, Bench, Lun
from tests.operations.sim_eyes import SimEyes


class Place:
    """Two heads in an inventory; the bench is on the first."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.inventory = folder / "inventory"
        lines = [f"h{n} connection=sim pools=p{n} state={folder}/h{n}.sim" for n in (1, 2)]
        self.inventory.write_text("[heads]\n" + "\n".join([*lines, more]) + "\n", "utf-8")
        inventory = parse(self.inventory.read_text("utf-8"), self.inventory)
        host = inventory.hosts["h1"]
        self.bench = Bench(host=host, eyes=SimEyes(host), inventory=inventory, test="cli")

    def call(self, *words: str) -> int:
        return run([words[0], "-i", str(self.inventory), *words[1:]])

    def broken(self) -> Lun:
        """Make a LUN, and take its target's enable away."""
        (lun,) = self.bench.luns(1)
        self.bench.create([lun])
        self.bench.close()
        self.bench.eyes.write(f"{ISCSI}/{lun.wwn}/tpgt_1/enable", "0")
        return lun


def test_no_drift_is_exit_code_0_and_said_of_each_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)

    code = place.call("drift")

    assert code == 0
    assert capsys.readouterr().out == "h1: no drift\nh2: no drift\n"


def test_drift_is_exit_code_1_and_told_with_reasons_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    lun = place.broken()

    code = place.call("drift")
    text = capsys.readouterr().out
    as_json = place.call("drift", "--json")
    value = json.loads(capsys.readouterr().out)

    assert (code, as_json) == (1, 1)
    assert f"{lun.wwn} {lun.dst}: changed (kernel)" in text
    assert "tpgt_1/enable is 0, not 1" in text
    assert f"would: iscsi/{lun.wwn}/tpgt_1/enable = 1" in text
    assert value["drift"] is True
    assert value["heads"]["h2"] == {"findings": []}
    assert value["heads"]["h1"]["findings"][0]["wwn"] == lun.wwn


def test_a_head_that_cannot_be_looked_at_is_never_without_drift(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, "h3 connection=ssh address=127.0.0.1 port=1")

    code = place.call("drift")
    limited = place.call("drift", "-l", "h1")

    assert (code, limited) == (4, 0)
    assert "h3: unreachable, so nothing is known of it" in capsys.readouterr().out


def test_records_that_cannot_be_read_are_a_failed_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    place.broken()
    place.bench.eyes.put("/var/lib/lunops/luns.json", "{")

    assert place.call("drift") == 2
    assert "is not what lunops writes" in capsys.readouterr().out


def test_reconcile_without_terminal_and_without_yes_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    lun = place.broken()

    codes = [place.call("reconcile"), place.call("reconcile", "--check")]

    said = capsys.readouterr()
    assert codes == [5, 1]
    assert "add --yes" in said.err
    assert f"would: iscsi/{lun.wwn}/tpgt_1/enable = 1" in said.out
    assert not place.bench.is_served(lun)


def test_reconcile_mends_and_looks_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    lun = place.broken()

    code = place.call("reconcile", "--yes")
    text = capsys.readouterr().out
    again = place.call("reconcile", "--yes", "--json")
    value = json.loads(capsys.readouterr().out)

    assert (code, again) == (0, 0)
    assert f"changed: [h1] {lun.wwn} {lun.dst}" in text
    assert text.endswith("after that:\nh1: no drift\nh2: no drift\n")
    assert value["mended"] == {}
    assert place.bench.is_served(lun)


def test_what_is_refused_is_left_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    (lun,) = place.bench.luns(1)
    place.bench.run(place.bench.only(place.bench.create_plan([lun]), "zfs_clone"))
    place.bench.close()
    place.bench.eyes.scribble(lun.dst)

    code = place.call("reconcile", "--yes")
    text = capsys.readouterr().out
    forced = place.call("reconcile", "--yes", "--force", "written")

    assert (code, forced) == (1, 0)
    assert "left alone:" in text
    assert "something was written to it" in text
    assert place.bench.traces(lun) == []


def test_adopt_shows_then_takes_in_what_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    place.bench.create(place.bench.luns(1))
    place.bench.close()
    strangers.make(place.bench)
    before = strangers.seen(place.bench)

    shown = place.call("adopt")
    text = capsys.readouterr().out
    asked = place.call("adopt", strangers.WWN)
    untouched = strangers.seen(place.bench) == before
    wrong = place.call("adopt", "iqn.1999-09.org.example:by-hamd", "--yes")
    error = capsys.readouterr().err
    done = place.call("adopt", strangers.WWN, "--yes")
    record = place.bench.record(Lun(dst="p1/by-hand", wwn=strangers.WWN))

    assert (shown, asked, wrong, done) == (0, 5, 8, 0)
    assert f"would: zfs set lunops:serial={strangers.SERIAL} p1/by-hand" in text
    assert untouched
    assert f"did you mean '{strangers.WWN}'" in error
    assert record is not None
    assert record["fragment"]["storage_objects"][0]["name"] == strangers.NAME
    assert place.bench.property("p1/by-hand", "lunops:managed") == ("1", "local")

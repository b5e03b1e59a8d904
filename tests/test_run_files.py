"""Files that a run writes: where one cannot be written, nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.cli import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory").write_text("h1 connection=sim pools=p1\n")
    (tmp_path / "book.yml").write_text("- hosts: all\n  tasks:\n    - command: zfs list\n")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["--junit", "--retry-file"])
def test_a_file_in_a_folder_that_is_not_there_is_refused_before_anything_is_run(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "book.yml", "-i", "inventory", option, "no/such/file"]) == 8

    told = capsys.readouterr()
    assert told.out == ""
    assert f"{option} no/such/file" in told.err


def test_a_journal_that_cannot_be_written_is_refused_before_anything_is_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "state").write_text("a file, and no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))

    assert run(["run", "book.yml", "-i", "inventory"]) == 8

    told = capsys.readouterr()
    assert told.out == ""
    assert "XDG_STATE_HOME" in told.err


def test_a_junit_file_is_written(folder: Path) -> None:
    assert run(["run", "book.yml", "-i", "inventory", "--junit", "out.xml"]) == 0

    assert "<testsuite" in (folder / "out.xml").read_text()

"""The command line: what it prints and where, its exit codes, and that nothing runs when anything is invalid.

Real connections, to what this machine has: an agent of its own (without ZFS), and a port that nobody answers on.
"""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lunops import __version__
from lunops.cli import run
from lunops.cli.output import Output
from lunops.cli.variables import extra_variables
from lunops.errors import (
    AgentError,
    BadValueError,
    CertificateError,
    InputError,
    JobError,
    LunopsError,
    SettingsError,
    UnreachableError,
)
from lunops.model import Status
from lunops.recap import Line

PLAN = """\
- name: Look
  hosts: all
  tasks:
    - name: Destroy nothing
      zfs_destroy: {dataset: "{{ pools[0] }}/nosuch"}
    - name: Wait for nothing
      wait_for_device: {dataset: "{{ pools[0] }}/nosuch", timeout_s: 1}
"""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens, kept from being taken by others."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path, closed_port: int) -> Path:
    (tmp_path / "plan.yml").write_text(PLAN)
    (tmp_path / "inventory").write_text(
        f"[here]\nlocal-1 connection=local python={sys.executable} pools=lunops-nosuch\n"
        f"[there]\nfar-1 host=127.0.0.1 port={closed_port} user=nobody known_hosts=none pools=far\n"
    )
    return tmp_path


def words(folder: Path, *more: str) -> list[str]:
    return ["run", str(folder / "plan.yml"), "-i", str(folder / "inventory"), *more]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"lunops {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nosuch"],
        ["nosuch"],
        ["run"],
        ["run", "x"],
        ["run", "x", "-i", "y", "-f", "0"],
        ["serve"],
        ["pki", "init", "x"],
    ],
)
def test_a_wrong_option_exits_with_5_and_says_so_on_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 5

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error:" in captured.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-l", "local-2"], "did you mean 'local-1'?"),
        (["-e", "x"], "'x' sets no variable"),
        (["-e", "{"], "this is not JSON"),
        (["-e", "@nosuch.yml"], "No such file"),
    ],
)
def test_what_is_invalid_exits_with_8_and_nothing_runs(
    folder: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(folder, *more)) == 8

    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_an_invalid_playbook_or_inventory_exits_with_8_and_names_file_and_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "plan.yml").write_text("- hosts: all\n  tasks:\n    - zfs_clon: {}\n")
    assert run(words(folder)) == 8
    assert f"{folder}/plan.yml:3" in capsys.readouterr().err
    (folder / "inventory").write_text("a\nb c\n")
    assert run(words(folder)) == 8
    assert f"{folder}/inventory:2" in capsys.readouterr().err
    (folder / "inventory").write_bytes(b"\xff")
    assert run(words(folder)) == 8
    assert "not UTF-8" in capsys.readouterr().err


def test_a_failed_head_exits_with_2_and_what_failed_is_said_with_its_item(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(folder, "--limit", "here")) == 2

    out = capsys.readouterr().out
    assert "PLAY [Look] ***" in out
    assert "TASK [Destroy nothing] ***" in out
    assert "failed: [local-1] => (item=lunops-nosuch/nosuch)" in out
    assert "    error: zfs " in out
    assert "local-1 : ok=0     changed=0     unreachable=0     failed=1     skipped=0" in out
    assert "SLOWEST TASKS" in out


def test_an_unreachable_head_exits_with_4_and_both_with_6(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(folder, "--limit", "there")) == 4
    assert "fatal: [far-1]: UNREACHABLE! 1 unreachable" in capsys.readouterr().out
    assert run(words(folder)) == 6
    out = capsys.readouterr().out
    assert "fatal: [far-1]: UNREACHABLE!" in out
    assert "failed: [local-1]" in out


def test_json_is_one_document_on_stdout_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(folder, "--json")) == 6

    value = json.loads(capsys.readouterr().out)
    assert value["heads"]["local-1"]["failed"] == 1
    assert value["heads"]["far-1"]["unreachable"] == 1
    assert value["interrupted"] is False
    assert {task["head"] for task in value["tasks"]} == {"local-1", "far-1"}
    assert all(task["times"]["total_s"] > 0 for task in value["tasks"] if task["status"] != "skipped")


def test_output_that_is_piped_has_no_colours(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lunops", *words(folder, "-l", "here")], capture_output=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert b"\x1b" not in done.stdout
    assert done.stderr.startswith(b"lunops: to go on from here: lunops run --resume ")
    assert b"\x1b" not in done.stderr


def test_colours_change_nothing_in_the_text() -> None:
    stream = io.StringIO()
    text = "ok: [h] => (item=tank/x) [red] iqn.2024-01.org.example:smile:x " + "y" * 200
    Output(stream, colour=True).lines([Line(text=text, status=Status.OK), Line(text="plain")])

    assert stream.getvalue().startswith("\x1b[32m")
    assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) == f"{text}\nplain\n"


def test_a_reader_that_goes_away_is_no_bug(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lunops", *words(folder, "-l", "here")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert b"bug" not in err
    assert b"Traceback" not in err


def test_ctrl_c_says_what_happens_and_a_second_one_ends_at_once_with_99(folder: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection, and never says what it is
        text = f"slow host=127.0.0.1 port={silent.getsockname()[1]} user=nobody known_hosts=none pools=p\n"
        (folder / "inventory").write_text(text)
        process = subprocess.Popen(
            [sys.executable, "-m", "lunops", *words(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            first = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)

    assert "interrupted: ending what runs on the heads" in first
    assert process.returncode == 99
    assert "Traceback" not in out + err


def test_a_bug_exits_with_250_and_shows_its_trace_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    @click.option("-v", "verbose", count=True)
    def broken(verbose: int) -> None:
        raise ZeroDivisionError(f"a bug, seen with {verbose}")

    assert run([], broken) == 250
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "this is a bug of lunops: ZeroDivisionError: a bug" in captured.err
    assert "Traceback" not in captured.err
    assert run(["-vvv"], broken) == 250
    assert "Traceback" in capsys.readouterr().err
    assert run([], broken, {"LUNOPS_DEBUG": "1"}) == 250
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadValueError("x", where="here", fix="so"), 8),
        (SettingsError("x", where="here", fix="so"), 8),
        (UnreachableError("x", where="here", fix="so"), 4),
        (AgentError("x", where="here", fix="so"), 2),
        (CertificateError("x", where="here", fix="so"), 1),
        (JobError("x", where="here", fix="so"), 1),
    ],
)
def test_an_error_of_ours_is_one_message_with_its_place_and_remedy(
    error: LunopsError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    assert run([], failing) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "lunops: x\n  where: here\n  to mend it: so\n")


def test_a_playbook_that_ships_with_lunops_is_found_by_its_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("create-batch", "create-batch.yml", "playbooks/create-batch.yml"):
        assert run(["run", name, "-i", str(folder / "inventory")]) == 8
        assert "there is no variable 'clones'" in capsys.readouterr().err
    assert run(["run", "creat-batch.yml", "-i", str(folder / "inventory")]) == 8
    assert "did you mean 'create-batch.yml'?" in capsys.readouterr().err


def test_a_template_beside_the_playbook_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plan.yml").write_text(
        "- hosts: here\n  tasks:\n    - lio_target:\n        dataset: lunops-nosuch/x\n"
        "        wwn: iqn.2024-01.org.example:x\n        initiators: [iqn.2024-01.org.example:i]\n"
        "        template: mine.json.j2\n"
    )
    assert run(words(folder)) == 8
    assert "there is no template 'mine.json.j2'" in capsys.readouterr().err
    (folder / "templates").mkdir()
    (folder / "templates" / "mine.json.j2").write_text("\n{{ nosuch | json }}")
    assert run(words(folder)) == 8
    assert "mine.json.j2:2" in capsys.readouterr().err


def test_a_ca_and_certificates_are_made_with_private_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki = tmp_path / "pki"

    assert run(["pki", "init", str(pki), "--name", "localhost", "--name", "127.0.0.1"]) == 0
    assert run(["pki", "issue", str(pki), "alice"]) == 0
    assert "alice.crt" in capsys.readouterr().out
    assert {path.name for path in pki.iterdir()} == {
        f"{name}.{kind}" for name in ("ca", "server", "alice") for kind in ("crt", "key")
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in pki.glob("*.key")} == {0o600}
    assert run(["pki", "issue", str(pki), "alice"]) == 1
    assert "not written over" in capsys.readouterr().err


def test_extra_variables_have_the_types_that_json_gives_them(tmp_path: Path) -> None:
    (tmp_path / "v.yml").write_text("a: 1\nlist: [x]\n")
    (tmp_path / "v.json").write_text('{"b": true}')

    assert extra_variables(
        [
            "flag=false n=3 'text=two words' t=yes",
            '{"c": {"d": null}}',
            f"@{tmp_path / 'v.yml'}",
            f"@{tmp_path / 'v.json'}",
            "a=2",
        ]
    ) == {"flag": False, "n": 3, "text": "two words", "t": "yes", "c": {"d": None}, "a": 2, "list": ["x"], "b": True}


@pytest.mark.parametrize("word", ["x", "=1", "a-b=1", "[1]", "'a=1", "{", "@nosuch"])
def test_a_wrong_extra_variable_is_refused(word: str) -> None:
    with pytest.raises(InputError):
        extra_variables([word])

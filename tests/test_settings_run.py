"""lunops-cli.toml and the environment: what wins, what is refused, and how the options come to it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunops.cli import BAD_INPUT, run
from lunops.cli.config import config_command, key_sources, use_defaults
from lunops.cli.vault_group import key_options
from lunops.errors import SettingsError
from lunops.settings_run import SETTINGS, Defaults, parse_environment, parse_file, run_defaults

FILE = Path("/etc/lunops-cli.toml")
PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"


@click.group()
@click.pass_context
def group(context: click.Context) -> None:
    use_defaults(context)


@group.command("run")
@click.option("-i", "--inventory", multiple=True)
@click.option("-f", "--forks", default=8)
@click.option("-b", "--become", is_flag=True)
@click.option("--colour", default="auto")
@key_options
@click.pass_context
def run_it(
    context: click.Context, /, vault_id: tuple[str, ...], vault_password_file: tuple[str, ...], **given: object
) -> None:
    given["keys"] = key_sources(context, vault_id, vault_password_file, ask=False).password_files
    click.echo(json.dumps(given))


@group.command("doctor")
@click.option("-i", "--inventory", required=True)
def doctor(inventory: str) -> None:
    click.echo(inventory)


group.add_command(config_command)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "LUNOPS_CONFIG", *(each for all in SETTINGS.values() for each in all.variables)):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Mapping[str, object]:
    capsys.readouterr()
    assert run(words, group) == 0
    found: Mapping[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_line_beats_the_environment_which_beats_the_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "run")["forks"] == 8
    (here / "lunops-cli.toml").write_text(
        'inventory = ["hosts", "/etc/more"]\nforks = 20\nbecome = true\ncolour = "never"\n'
    )
    assert told(capsys, "run") == {
        "inventory": [f"{here}/hosts", "/etc/more"],
        "forks": 20,
        "become": True,
        "colour": "never",
        "ask_vault_pass": False,
        "keys": [],
    }
    monkeypatch.setenv("LUNOPS_FORKS", "30")
    monkeypatch.setenv("LUNOPS_BECOME", "no")
    monkeypatch.setenv("LUNOPS_INVENTORY", "other:/more")
    assert told(capsys, "run")["forks"] == 30
    assert told(capsys, "run")["become"] is False
    assert told(capsys, "run", "-f", "40")["forks"] == 40
    assert told(capsys, "run")["inventory"] == [f"{here}/other", "/more"]
    assert told(capsys, "run", "-i", "mine")["inventory"] == ["mine"]


def test_a_command_that_takes_one_inventory_has_it_from_the_file_and_refuses_a_list(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lunops-cli.toml").write_text('inventory = "hosts"\n')
    assert run(["doctor"], group) == 0
    assert capsys.readouterr().out == f"{here}/hosts\n"
    (here / "lunops-cli.toml").write_text('inventory = ["hosts", "more"]\n')
    assert run(["doctor"], group) == BAD_INPUT
    assert "lunops-cli.toml:1" in capsys.readouterr().err
    assert told(capsys, "run")["inventory"] == [f"{here}/hosts", f"{here}/more"]


def test_a_passphrase_of_the_command_line_stands_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lunops-cli.toml").write_text('vault_password_file = "key"\n')
    assert told(capsys, "run")["keys"] == [f"{here}/key"]
    assert told(capsys, "run", "--vault-id", "a@b")["keys"] == []
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/theirs")
    assert told(capsys, "run")["keys"] == ["/theirs"]
    monkeypatch.setenv("LUNOPS_VAULT_PASSWORD_FILE", "/ours")
    assert told(capsys, "run")["keys"] == ["/ours"]
    assert told(capsys, "run", "--vault-password-file", "x")["keys"] == ["x"]


def test_the_file_is_the_named_one_else_that_of_the_folder_else_the_users(here: Path) -> None:
    mine = here.parent / "home" / ".config" / "lunops"
    mine.mkdir(parents=True)
    env = {"HOME": str(here.parent / "home")}
    assert run_defaults(env, here).file is None
    (mine / "lunops-cli.toml").write_text("forks = 1\n")
    assert run_defaults(env, here).file == mine / "lunops-cli.toml"
    (here / "lunops-cli.toml").write_text("forks = 2\n")
    assert run_defaults(env, here).settings["forks"].value == 2
    (here / "named.toml").write_text("forks = 3\n")
    found = run_defaults({**env, "LUNOPS_CONFIG": "named.toml"}, here)
    assert (found.settings["forks"].value, found.settings["forks"].source) == (3, f"{here}/named.toml:1")
    (here.parent / "xdg" / "lunops").mkdir(parents=True)
    (here.parent / "xdg" / "lunops" / "lunops-cli.toml").write_text("forks = 4\n")
    (here / "lunops-cli.toml").unlink()
    assert run_defaults({**env, "XDG_CONFIG_HOME": str(here.parent / "xdg")}, here).settings["forks"].value == 4
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        run_defaults({"LUNOPS_CONFIG": "none.toml"}, here)
    assert caught.value.where == str(here / "none.toml")


@pytest.mark.parametrize("open_to_all", ["folder", "file"])
def test_a_file_that_anyone_may_have_written_is_ignored_and_that_is_said(
    here: Path, open_to_all: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lunops-cli.toml").write_text("forks = 2\n")
    (here if open_to_all == "folder" else here / "lunops-cli.toml").chmod(0o777)
    assert told(capsys, "run")["forks"] == 8
    run(["run"], group)
    said = capsys.readouterr().err
    assert f"lunops: {here}/lunops-cli.toml is ignored: every user may write to {here}" in said
    assert "chmod o-w" in said
    named = run_defaults({"LUNOPS_CONFIG": str(here / "lunops-cli.toml")}, here)
    assert named.settings["forks"].value == 2


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("forks = 3\nbecmoe = true\n", ":2", "there is no setting 'becmoe' .*did you mean 'become'"),
        ("# x\n[defaults]\nforks = 3\n", ":2", "there is no setting 'defaults' .*the settings there are: become"),
        ("[run.more]\n", ":1", "there is no setting 'run'"),
        ('"check" = true\n', ":1", "there is no setting 'check'"),
        ("forks = 3\nforks = 4\n", ":2:10", "this is not TOML: Cannot overwrite a value"),
        ("forks = \n", ":1:9", "this is not TOML: Invalid value"),
        ("forks = '", "", "this is not TOML: "),
        ("\nforks = 0", ":2, forks", "0 is not a value of forks.*; write a whole number from 1 to 1000"),
        ("forks = true", ":1, forks", "True is not a value of forks"),
        ("timeout = 1.5", ":1, timeout", "1.5 is not a value of timeout"),
        ("become = 1", ":1, become", "1 is not a value of become.*; write true or false"),
        ("inventory = []", ":1, inventory", "is not a value of inventory.*; write a path"),
        ("inventory = [1]", ":1, inventory", "is not a value of inventory"),
        ("user = ''", ":1, user", "'' is not a value of user.*; write a text"),
        ("private_key = 1", ":1, private_key", "1 is not a value of private_key"),
        ("colour = 'red'", ":1, colour", "'red' is not a value of colour.*; write auto or always or never"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_line_and_remedy(text: str, where: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        parse_file(text, FILE)
    assert caught.value.where == f"{FILE}{where}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [("FORKS", "many"), ("FORKS", "-1"), ("FORKS", "0"), ("BECOME", "maybe"), ("COLOUR", "red"), ("TIMEOUT", "1e3")],
)
def test_what_is_wrong_in_the_environment_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{value.lower()!r}") + "|-1|0") as caught:
        parse_environment({f"LUNOPS_{name}": value}, Path("/"))
    assert caught.value.where == f"LUNOPS_{name}"


def test_paths_are_relative_to_the_file_and_a_list_of_heads_is_no_path() -> None:
    found = parse_file('inventory = ["a", "~/b", "head-01,head-02,"]\nprivate_key = "../k"', FILE)
    assert found["inventory"].value == ("/etc/a", str(Path("~/b").expanduser()), "head-01,head-02,")
    assert found["private_key"].value == "/etc/../k"
    assert parse_environment({"LUNOPS_FORKS": ""}, Path("/")) == {}


@settings(deadline=None)
@given(st.text())
def test_no_file_makes_anything_but_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(SettingsError):
        parse_file(text, FILE)


def test_config_tells_each_setting_and_where_it_comes_from(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lunops-cli.toml").write_text('# ours\ninventory = "hosts"\n')
    monkeypatch.setenv("LUNOPS_FORKS", "30")
    assert run(["config"], group) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert re.search(rf'inventory = \["{here}/hosts"\] +# {here}/lunops-cli.toml:2$', lines["inventory"])
    assert re.search(r"forks = 30 +# LUNOPS_FORKS$", lines["forks"])
    assert re.search(r"become = false +# default$", lines["become"])
    assert run(["config", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == f"{here}/lunops-cli.toml"
    assert list(found["settings"]) == list(SETTINGS)


def test_the_page_tells_of_every_setting_its_variables_and_its_default() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told_of = {row[0].strip("| `"): (row[1].strip(), row[2], row[3].rstrip(" |")) for row in rows}
    empty = Defaults(settings={})
    assert empty.given() == {}
    assert told_of == {
        name: (
            ", ".join(f"`{variable}`" for variable in setting.variables),
            f"`{json.dumps(setting.default)}`" if setting.default not in (None, ()) else "",
            setting.meaning,
        )
        for name, setting in SETTINGS.items()
    }


def test_the_service_keeps_its_settings_in_a_file_of_another_name(here: Path) -> None:
    """`lunops serve --config lunops.toml`, as the README has it, is run in the folder of that file."""
    (here / "lunops.toml").write_text('listen = "127.0.0.1:8443"\n')

    assert run_defaults({}, here).file is None

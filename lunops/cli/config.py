"""Give the options their defaults from the environment and lunops-cli.toml, and tell which hold (`lunops config`)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lunops.errors import SettingsError
from lunops.settings_run import Defaults, Effective, run_defaults

if TYPE_CHECKING:
    from lunops.vault_keys import KeySources

# Not the default of its option: a passphrase that the command line names must stand alone.
_NOT_BY_CLICK = frozenset({"vault_password_file"})


def use_defaults(context: click.Context) -> None:
    """Let all commands below take their options' defaults from environment and file; to be called by the root group."""
    found = run_defaults(os.environ, Path.cwd())
    for warning in found.warnings:
        click.echo(f"lunops: {warning}", err=True)
    context.obj = found
    if isinstance(context.command, click.Group) and (name := context.invoked_subcommand):
        command = context.command.commands.get(name)
        context.default_map = {name: _defaults_of(command, found)} if command else {}


def key_sources(
    context: click.Context, vault_ids: Sequence[str], password_files: Sequence[str], *, ask: bool
) -> KeySources:
    """Return where passphrases come from: what the options say, or else environment and file."""
    from lunops.vault_keys import KeySources

    given = KeySources(vault_ids=tuple(vault_ids), password_files=tuple(password_files), ask=ask)
    defaults = context.find_object(Defaults) or run_defaults(os.environ, Path.cwd())
    configured = defaults.settings["vault_password_file"].value
    return given if given or not configured else KeySources(password_files=(str(configured),))


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def config_command(context: click.Context, as_json: bool) -> int:
    """Tell what the options are where the command line does not say, and what says so."""
    defaults = context.find_object(Defaults) or run_defaults(os.environ, Path.cwd())
    if as_json:
        shown = {name: {"value": each.value, "source": each.source} for name, each in defaults.settings.items()}
        click.echo(json.dumps({"file": str(defaults.file) if defaults.file else None, "settings": shown}, indent=2))
        return 0
    click.echo(f"# {defaults.file or 'there is no lunops-cli.toml'}")
    rows = [(name, _toml(each.value), each.source) for name, each in defaults.settings.items()]
    width = max(len(name) + len(value) for name, value, _ in rows) + 3
    for name, value, source in rows:
        click.echo(f"{f'{name} = {value}' if value else f'# {name} is not set':<{width}}  # {source}")
    return 0


def _defaults_of(command: click.Command, defaults: Defaults) -> dict[str, Any]:
    if isinstance(command, click.Group):
        return {name: _defaults_of(each, defaults) for name, each in command.commands.items()}
    given = {name: each for name, each in defaults.given().items() if name not in _NOT_BY_CLICK}
    return {
        option.name: _fitting(option, given[option.name])
        for option in command.params
        if isinstance(option, click.Option) and option.name in given
    }


def _fitting(option: click.Option, each: Effective) -> Any:
    """Return the value as the option takes it: several, or one."""
    if not isinstance(each.value, tuple):
        return [each.value] if option.multiple else each.value
    if option.multiple:
        return list(each.value)
    if len(each.value) != 1:
        raise SettingsError(
            f"{option.name} is a list of {len(each.value)}, and this command takes one",
            where=each.source,
            fix=f"name one on the command line: {option.opts[-1]}",
        )
    return each.value[0]


def _toml(value: object) -> str:
    """Return the value as the file would have it; JSON's texts, numbers and lists are TOML's as well."""
    return "" if value in (None, ()) else json.dumps(value, ensure_ascii=False)

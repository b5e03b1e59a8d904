"""The options of `lunops run`, `lunops plan` and `lunops apply`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lunops.cli.completion import complete_limit, complete_playbook, complete_tags
from lunops.cli.vault_group import key_options
from lunops.model import Json

if TYPE_CHECKING:
    from lunops.vault_keys import KeySources

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line, the environment and the configuration file said."""

    plan: Path | None = None
    inventory: tuple[str, ...] = ()
    limit: str | None = None
    extra_vars: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    start_at_task: str = ""
    force_handlers: bool = False
    check: bool = False
    diff: bool = False
    forks: int = 8
    step: bool = False
    yes: bool = False
    user: str | None = None
    private_key: Path | None = None
    timeout: float | None = None
    become: bool = False
    become_user: str = ""
    ask_become_pass: bool = False
    keys: KeySources | None = None  # where passphrases come from
    syntax_check: bool = False
    list_tasks: bool = False
    list_tags: bool = False
    list_hosts: bool = False
    as_json: bool = False
    verbosity: int = 0
    colour: str = "auto"
    junit: Path | None = None
    retry_file: Path | None = None
    retry_files: bool = False
    detailed_exitcode: bool = False
    resume: str = ""

    @property
    def lists(self) -> bool:
        """Whether only something is to be told, and nothing run."""
        return self.syntax_check or self.list_tasks or self.list_tags or self.list_hosts


def what_options(command: F) -> F:
    """Give a command the options that say what is run, and where."""
    return _with(
        command,
        click.option(
            "-i",
            "--inventory",
            multiple=True,
            metavar="SOURCE",
            help="A file, a folder of them, or heads (h1,h2,); may be repeated.",
        ),
        click.option(
            "-l",
            "--limit",
            metavar="PATTERN",
            shell_complete=complete_limit,
            help="Only these heads: names, groups, globs, ~REGEX, GROUP[0:2], @FILE; , adds, :& keeps, :! takes away.",
        ),
        click.option(
            "-e", "--extra-vars", multiple=True, help="NAME=VALUE (as JSON, else text), a JSON object, or @FILE."
        ),
        click.option(
            "-t", "--tags", multiple=True, shell_complete=complete_tags, help="Only tasks with one of these tags."
        ),
        click.option(
            "--skip-tags", multiple=True, shell_complete=complete_tags, help="No tasks with one of these tags."
        ),
        click.option(
            "--start-at-task", default="", metavar="NAME", help="Begin at this task: its name, a glob, or its id."
        ),
        click.option("--force-handlers", is_flag=True, help="Run handlers on heads that have failed, too."),
    )


def how_options(command: F) -> F:
    """Give a command the options that say how heads are reached, and what is shown."""
    return key_options(
        _with(
            command,
            click.option(
                "-f", "--forks", default=8, show_default=True, type=click.IntRange(1, 1000), help="Heads at once."
            ),
            click.option("-u", "--user", help="Log in as this user, where the inventory names none."),
            click.option("--private-key", type=_FILE, help="Log in with this key, where the inventory names none."),
            click.option(
                "-T", "--timeout", type=click.FloatRange(0.1, 86400), help="Seconds for a connection to be made."
            ),
            click.option("-b", "--become", is_flag=True, help="Do the tasks as root, by sudo."),
            click.option("--become-user", default="", help="Do them as this user instead of root."),
            click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the password of sudo."),
            click.option(
                "--json", "as_json", is_flag=True, help="Print the results as one JSON document, and nothing else."
            ),
            click.option(
                "-v",
                "--verbose",
                "verbosity",
                count=True,
                help="Say more: items (-v), places and times (-vv), connections and the trace of a bug (-vvv).",
            ),
            click.option(
                "--colour",
                "--color",
                "colour",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                help="Colours: on a terminal by itself.",
            ),
            click.option("-D", "--diff", is_flag=True, help="Show every change."),
            click.option(
                "--junit", type=_FILE, metavar="FILE", help="Write the results as JUnit XML, for a CI system."
            ),
            click.option("-y", "--yes", is_flag=True, help="Ask nothing."),
            click.option(
                "--detailed-exitcode",
                is_flag=True,
                help="End with 3 where something changed, with 0 where nothing did.",
            ),
        )
    )


def run_options(command: F) -> F:
    """Give `lunops run` those that it alone has."""
    return _with(
        command,
        click.argument("plan", type=_FILE, required=False, shell_complete=complete_playbook),
        click.option("-C", "--check", is_flag=True, help="Change nothing; say what would be changed."),
        click.option("--step", is_flag=True, help="Ask before each task."),
        click.option(
            "--syntax-check", is_flag=True, help="Only look whether the playbook, inventory and templates are sound."
        ),
        click.option("--list-tasks", is_flag=True, help="Only list the tasks."),
        click.option("--list-tags", is_flag=True, help="Only list the tags."),
        click.option("--list-hosts", is_flag=True, help="Only list the heads."),
        click.option(
            "--retry-file", type=_FILE, metavar="FILE", help="Write the heads that failed there, for --limit @FILE."
        ),
        click.option("--retry-files", is_flag=True, hidden=True, help="Write them beside the playbook, as NAME.retry."),
        click.option("--resume", default="", metavar="RUN", help="Go on with a run that was interrupted, or failed."),
    )


def options(given: dict[str, Any]) -> Options:
    """Return what click found as one record."""
    from lunops.cli.config import key_sources

    keys = key_sources(
        click.get_current_context(),
        given.pop("vault_id", ()),
        given.pop("vault_password_file", ()),
        ask=given.pop("ask_vault_pass", False),
    )
    known = {each.name for each in fields(Options)}
    assert set(given) <= known, set(given) - known
    return Options(keys=keys, **{name: value for name, value in given.items() if value is not None})


def given(options: Options, names: Iterable[str]) -> dict[str, Json]:
    """Return some of the options as a file may hold them: paths as texts, lists for tuples."""
    found = {name: getattr(options, name) for name in names}
    return {
        name: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        for name, value in found.items()
    }


def with_given(options: Options, found: Mapping[str, Json]) -> Options:
    """Return the options with those that a file holds, as `given` gives them."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    values["plan"] = Path(values["plan"])
    return replace(options, **values)


def _with(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command

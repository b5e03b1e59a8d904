"""Complete words in the shell: what `shell_complete=` of options and arguments is given, and `lunops completion`.

Nothing here may fail or print: it runs while someone types. So what cannot be read completes to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from lunops.inventory import Inventory
    from lunops.model import Json

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
VARIABLE = "_LUNOPS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_SPECIAL_TAGS = ("all", "tagged", "untagged", "always", "never")


def _silent(words: Callable[[click.Context, str], Iterable[CompletionItem]]) -> Completer:
    """Return a completer that gives nothing where the words cannot be found."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return list(words(context, incomplete))
        except Exception:  # whatever it is: the line that is being typed must not be torn by it
            return []

    return complete


def _plain(words: Iterable[tuple[str, str]], incomplete: str, before: str = "") -> Iterator[CompletionItem]:
    """Give those of the words, each with its help, that go on from what is typed; `before` stands in front of it."""
    for word, text in dict(words).items():
        if word.startswith(incomplete):
            yield CompletionItem(before + word, help=text or None)


def _playbooks(_: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    from lunops.resources import playbook_folder

    if "/" not in incomplete:
        here = [path.name for pattern in ("*.yml", "*.yaml") for path in sorted(Path().glob(pattern))]
        yield from _plain(((name, "in this folder") for name in here), incomplete)
        shipped = [path.name for path in sorted(playbook_folder().glob("*-*.yml")) if path.name not in here]
        yield from _plain(((name, "ships with lunops") for name in shipped), incomplete)
        folders = [f"{path.name}/" for path in sorted(Path().iterdir()) if path.is_dir() and path.name[0] != "."]
        if not any(folder.startswith(incomplete) for folder in folders):
            return
    yield CompletionItem(incomplete, type="file")


def _heads(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """Complete the last part of a pattern: names and groups, after a comma, ! or &."""
    before, comma, last = incomplete.rpartition(",")
    sign = last[:1] if last[:1] in ("!", "&") else ""
    for inventory in _inventories(context):
        words = [(name, "head") for name in inventory.hosts] + [(name, "group") for name in inventory.groups]
        yield from _plain(words, last[len(sign) :], before + comma + sign)


def _head(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    for inventory in _inventories(context):
        yield from _plain(((name, "") for name in inventory.hosts), incomplete)


def _modules(_: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    from lunops.modules import MODULES

    yield from _plain(((name, module.summary) for name, module in sorted(MODULES.items())), incomplete)


def _tags(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """Complete the last of several tags: those that the playbook's own file names."""
    from lunops.cli.variables import read_text
    from lunops.errors import PlaybookError
    from lunops.resources import playbook_folder
    from lunops.yaml_source import read

    found: set[str] = set()
    # With an option that still lacks its value, click leaves the arguments of the line where they are.
    for named in (context.params.get("plan"), *context.args):
        if not named or Path(str(named)).suffix not in (".yml", ".yaml"):
            continue
        path = Path(str(named))
        path = path if path.exists() else playbook_folder() / path.name
        found |= set(_tags_in(read(read_text(path), str(path), PlaybookError).value))
    before, comma, last = incomplete.rpartition(",")
    yield from _plain(((tag, "") for tag in (*sorted(found), *_SPECIAL_TAGS)), last, before + comma)


complete_playbook = _silent(_playbooks)
complete_limit = _silent(_heads)
complete_head = _silent(_head)
complete_module = _silent(_modules)
complete_tags = _silent(_tags)


def _inventories(context: click.Context) -> Iterator[Inventory]:
    """Give the inventories of the line so far, or else of the configuration."""
    from lunops import inventory_files
    from lunops.settings_run import run_defaults

    given: Any = context.params.get("inventory")
    if not given:
        given = run_defaults(os.environ, Path.cwd()).settings["inventory"].value
    for each in given if isinstance(given, list | tuple) else [given]:
        if each:
            yield inventory_files.load([str(Path(str(each)).expanduser())])


def _tags_in(value: Json) -> Iterator[str]:
    """Give the tags that stand anywhere in a playbook's data."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "tags":
                yield from _tags_in(each)
                continue
            words = each.split(",") if isinstance(each, str) else each if isinstance(each, list) else ()
            yield from (word.strip() for word in words if isinstance(word, str))
    elif isinstance(value, list):
        for each in value:
            yield from _tags_in(each)


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> int:
    """Print a script that lets SHELL complete the words of lunops.

    For this session: `source <(lunops completion bash)`. For good: docs/configuration.md.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click has all three
    click.echo(kind(context.find_root().command, {}, "lunops", VARIABLE).source())
    return 0

"""`lunops doc`: say what the modules do and take."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

import click

from lunops.errors import BadValueError
from lunops.modules import MODULES
from lunops.modules.about import COMMON
from lunops.modules.described import Described, describe
from lunops.near import hint
from lunops.resources import examples

_WIDTH = 100


def run(name: str | None, *, as_json: bool) -> int:
    """Print one module, or a line for each; raises `BadValueError` for one that is not there."""
    if name is not None and name not in MODULES:
        raise BadValueError(f"there is no module {name!r}", fix=hint(name, MODULES, "modules"))
    found = examples()
    if name is None:
        listed = {each: module.summary for each, module in sorted(MODULES.items())}
        width = max(map(len, listed))
        lines = [f"{each:<{width}}  {summary}" for each, summary in listed.items()]
        click.echo(json.dumps(listed, indent=2) if as_json else "\n".join(lines))
        return 0
    one = describe(MODULES[name], found[name])
    click.echo(json.dumps(asdict(one), indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(one)))
    return 0


def _lines(one: Described) -> Iterator[str]:
    yield f"{one.name}: {one.summary}"
    yield ""
    yield from _wrapped(one.text, "")
    if one.free_form:
        yield from _wrapped(f"A text in place of the arguments is its {one.free_form}.", "")
    yield ""
    yield "ARGUMENTS"
    if not one.arguments:
        yield "  none"
    for each in one.arguments:
        more = "required" if each.required else f"default {each.default}" if each.default else "optional"
        yield f"  {each.name} ({_plain(each.kind)}; {more})"
        yield from _wrapped(each.description, "      ")
    yield ""
    yield "RESULT"
    for field, text in {**one.returns, **COMMON}.items():
        yield from _wrapped(f"{field}: {text}", "  ", "      ")
    for title, text in (("CHECK MODE", one.check), ("FORCE", one.force), ("UNDO", one.undo)):
        if text:
            yield ""
            yield title
            yield from _wrapped(text, "  ")
    yield ""
    yield "EXAMPLE"
    yield from (f"  {line}".rstrip() for line in one.example.rstrip().splitlines())


def _wrapped(text: str, indent: str, later: str | None = None) -> list[str]:
    return textwrap.wrap(
        _plain(text), _WIDTH, initial_indent=indent, subsequent_indent=indent if later is None else later
    )


def _plain(text: str) -> str:
    """Return a text without Markdown's marks."""
    return text.replace("`", "")

"""Say what each module is and takes, as a page of Markdown made of the modules' own schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lunops.modules.base import AnyModule
from lunops.modules.described import Described, describe

_INTRO = """# The modules

Each is a kind of task in a playbook. Made of the modules' own schemas; a test holds it to them.
Unknown arguments are refused with the nearest valid name; so is every value that is not what its column says.

All of them look first, and change nothing the second time, but for those that run a command. `lunops doc MODULE` shows
the same in the terminal. Each example runs as it stands on a head with a pool `tank`; a test runs them.
"""


def page(modules: Mapping[str, AnyModule], examples: Mapping[str, str]) -> str:
    """Return the page: a table of all modules, then each with its arguments and its example."""
    lines = [_INTRO, "| module | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {module.summary} |" for name, module in sorted(modules.items())]
    for name, module in sorted(modules.items()):
        lines += _section(describe(module, examples[name]))
    return "\n".join(lines) + "\n"


def _section(one: Described) -> Iterator[str]:
    yield from ("", f"## {one.name}", "", one.text, "")
    if one.free_form:
        yield from (f"A text in place of the arguments is its `{one.free_form}`.", "")
    if one.arguments:
        yield from ("| argument | | default | |", "|---|---|---|---|")
    for each in one.arguments:
        default = "required" if each.required else f"`{each.default}`" if each.default else ""
        yield f"| `{each.name}` | {each.kind} | {default} | {each.description} |".replace("`|`", "`\\|`")
    if one.arguments:
        yield ""
    yield from (f"- Check mode: {one.check}", f"- Undo: {one.undo}")
    if one.returns:
        yield "- Result: " + "; ".join(f"`{name}` {text}" for name, text in one.returns.items()) + "."
    yield from ("", "```yaml", one.example.rstrip(), "```")

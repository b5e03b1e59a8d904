"""The diff as readable text: changes as lines, those of one kernel object together, unified diffs in colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from lunops.model import ItemResult, Json, Status
from lunops.recap.line import Line, Tone, clean, indented

# What the agent says of configfs: `mkdir PATH`, `PATH = VALUE`, `PATH -> PATH`; PATH begins below target/.
_CONFIGFS = re.compile(
    r"(?:(?P<call>mkdir|rmdir|unlink|remove) )?"
    r"(?P<object>core/[^/\s]+(?:/[^/\s]+)?|[a-z0-9_]+/(?:iqn|naa|eui)\.[^/\s]+)"
    r"(?:/(?P<rest>\S+))?(?P<what> (?:=|->) .*| =)?",
    re.DOTALL,
)
_SIGNS = {"mkdir": "+", "rmdir": "-", "unlink": "-", "remove": "-"}
_TONES = {"+": Tone.ADDED, "-": Tone.REMOVED}
_DIFF_MOST = 200_000  # letters of a file; comparing takes a time that grows with the square of the lines


def change_lines(item: ItemResult, indent: str) -> Iterator[Line]:
    """Give the changes of an item, and the difference of files that its data hold."""
    above = ""  # the object whose changes are told
    for change in item.changes:
        if "\n" in change:
            above = ""
            yield from _diff_lines(change, indent, item.status)
        elif (found := _CONFIGFS.fullmatch(change)) and (found["call"] or found["what"]):
            if found["object"] != above:
                above = found["object"]
                yield _object_line(found, indent)
            if found["rest"]:
                yield _entry_line(found, indent + "  ")
        else:
            above = ""
            yield from indented(change, indent, item.status)
    if not any("\n" in change for change in item.changes):
        for text in filter(None, _of_data(item.data)):
            yield from _diff_lines(text, indent, item.status)


def has_changes(item: ItemResult) -> bool:
    """Return whether there is anything to tell of what an item changed."""
    return bool(item.changes) or (isinstance(item.data, dict) and bool(item.data.get("diff")))


def _object_line(found: re.Match[str], indent: str) -> Line:
    sign = "" if found["rest"] else _SIGNS.get(found["call"] or "", "~" if found["what"] else "")
    text = f"{sign} {found['object']}" if sign else found["object"]
    if not found["rest"] and found["what"]:
        text += found["what"]
    return Line(text=indent + clean(text), tone=_TONES.get(sign, Tone.HEADER))


def _entry_line(found: re.Match[str], indent: str) -> Line:
    what = found["what"] or ""
    sign = _SIGNS.get(found["call"] or "", "+" if what.startswith(" ->") else "~")
    folder = "/" if found["call"] == "mkdir" else ""
    return Line(text=f"{indent}{sign} {clean(found['rest'] + folder + what)}", tone=_TONES.get(sign))


def _diff_lines(text: str, indent: str, status: Status) -> Iterator[Line]:
    """Give a text of several lines; in colour where it is a unified diff."""
    if not re.search(r"^@@ ", text, re.MULTILINE):
        yield from indented(text, indent, status)
        return
    in_head = True
    for line in indented(text, indent):
        said = line.text[len(indent) :]
        in_head = in_head and not said.startswith("@@ ")
        if said.startswith("@@ ") or (in_head and said.startswith(("--- ", "+++ "))):
            yield Line(text=line.text, tone=Tone.HEADER)
        else:
            yield Line(text=line.text, tone=_TONES.get(said[:1]))


def _of_data(data: Json) -> Iterator[str]:
    """Give the diffs of what modules give as `diff` in their data: before and after, as in Ansible."""
    diffs = data.get("diff") if isinstance(data, dict) else None
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        if isinstance(diff, dict) and "before" in diff and "after" in diff:
            yield unified(
                _text(diff["before"]),
                _text(diff["after"]),
                _text(diff.get("before_header") or "before"),
                _text(diff.get("after_header") or "after"),
            )
        elif isinstance(diff, dict) and isinstance(diff.get("prepared"), str):
            yield diff["prepared"]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else repr(value)


def unified(before: str, after: str, before_name: str, after_name: str) -> str:
    """Return the unified diff of two texts; a word on why there is none, where there is none."""
    if before == after:
        return ""
    if max(len(before), len(after)) > _DIFF_MOST:
        return f"{after_name}: too long to be compared here: {len(before)} letters before, {len(after)} after"
    lines = _numbered(before), _numbered(after)
    return "\n".join(_say_end(difflib.unified_diff(*lines, before_name, after_name, lineterm="")))


def _numbered(text: str) -> Sequence[str]:
    """Return the lines; one that ends with the text, and not with a line end, is marked."""
    lines = text.split("\n")
    return [*lines[:-1], f"{lines[-1]}\0"] if lines[-1] else lines[:-1]


def _say_end(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line.removesuffix("\0")
        if line.endswith("\0"):
            yield "\\ No newline at end of file"

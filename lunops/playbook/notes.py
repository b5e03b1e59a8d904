"""Note what is wrong at places of a playbook's files, and read on, so that all errors are told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lunops.errors import LunopsError, PlaybookError
from lunops.model import Json
from lunops.modules.base import AnyModule
from lunops.near import hint
from lunops.playbook.expressions import Grammar
from lunops.yaml_source import Key, Source

ReadFile = Callable[[str], str]  # a path → its text; raises InputError


@dataclass(frozen=True, kw_only=True)
class Book:
    """What is shared by all files of one playbook while it is read."""

    modules: Mapping[str, AnyModule]
    grammar: Grammar
    read: ReadFile | None
    errors: list[LunopsError] = field(default_factory=list)
    sources: dict[str, Source | None] = field(default_factory=dict)  # by path; None: it could not be read
    imports: list[str] = field(default_factory=list)  # the path of each import so far


@dataclass(frozen=True, kw_only=True)
class Notes:
    """A place in a file of a playbook; errors are added at keys below it."""

    book: Book
    source: Source
    at: Key = ()
    folder: str = ""  # of the file, as seen from the folder of the whole playbook
    chain: tuple[str, ...] = ()  # the files around it that import each other, this one last
    depth: int = 0  # how many blocks and imports are around it

    def below(self, *key: str | int) -> Notes:
        """Return the place at a key below this one."""
        return self._with(at=(*self.at, *key))

    def deeper(self) -> Notes:
        """Return the same place, inside one more block."""
        return self._with(depth=self.depth + 1)

    def where(self, *key: str | int) -> str:
        """Return `FILE:LINE:COLUMN` of a key."""
        return self.source.where(*self.at, *key)

    def add(self, what: str, *key: str | int, fix: str) -> None:
        """Note an error at a key below this place, or at the place itself."""
        where = f"{self.where(*key)}, {key_text(key or self.at) or 'the whole file'}"
        self.book.errors.append(PlaybookError(what, where=where, fix=fix))

    def unknown(self, value: Mapping[str, Json], known: Iterable[str], refused: Mapping[str, str], kind: str) -> None:
        """Note the keys that are not known, with what to write in place of those that Ansible has."""
        for key in value:
            if key in refused:
                self.add(f"{kind} takes no {key!r} here", key, fix=refused[key])
            elif key not in known:
                self.add(f"{kind} has no {key!r}", key, fix=hint(key, known, "keys"))

    def expressions(self, value: Json, *key: str | int) -> None:
        """Note what is wrong with the `{{ }}` in any text of a value."""
        if isinstance(value, str):
            for what, fix in self.book.grammar.text(value):
                self.add(what, *key, fix=fix)
        elif isinstance(value, dict):
            for name, each in value.items():
                self.expressions(each, *key, name)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                self.expressions(each, *key, index)

    def condition(self, text: str, *key: str | int) -> None:
        """Note what is wrong with a bare expression."""
        if not text.strip():
            self.add("the expression is empty", *key, fix="write one, such as `item.size > 0`, or leave the key out")
        elif "{{" in text or "{%" in text:
            self.add("this is an expression already", *key, fix="write it without {{ }}, such as `item.x == 1`")
        else:
            for what, fix in self.book.grammar.condition(text):
                self.add(what, *key, fix=fix)

    def _with(self, *, at: Key | None = None, depth: int | None = None) -> Notes:
        return Notes(
            book=self.book,
            source=self.source,
            at=self.at if at is None else at,
            folder=self.folder,
            chain=self.chain,
            depth=self.depth if depth is None else depth,
        )


def key_text(key: Key) -> str:
    """Return a key path as one reads it: `tasks[0].when`; a module's full name stays as it is."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.isprintable() and part else repr(part)
            text += f".{name}" if text else name
    return text

"""Read a playbook: YAML in, plays out, all keywords checked and handed down; or every error at once.

Nothing is filled in: expressions stand as they were written, their syntax checked, and the names of filters and tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lunops.errors import LunopsError, PlaybookError
from lunops.modules import MODULES
from lunops.modules.base import AnyModule
from lunops.playbook.expressions import HEAD_FILTERS, Grammar
from lunops.playbook.inherit import Inherited
from lunops.playbook.model import Playbook
from lunops.playbook.notes import Book, Notes, ReadFile
from lunops.playbook.play import numbering, plays
from lunops.together import raise_all
from lunops.yaml_source import read as read_yaml

_PLACE = re.compile(r"(.*?):([0-9]+):([0-9]+)", re.DOTALL)


def read_playbook(
    text: str,
    path: str,
    read: ReadFile | None = None,
    *,
    modules: Mapping[str, AnyModule] = MODULES,
    filters: Iterable[str] = HEAD_FILTERS,
) -> Playbook:
    """Return the playbook in a YAML text; raises `PlaybookError` with every error: file, line, column, key, remedy.

    `read` gives the text of a file that is imported, by a path relative to what `path` is relative to, and raises
    `InputError`. `filters` are those that expressions have besides those of `lunops.render`.
    """
    book = Book(modules=modules, grammar=Grammar(filters), read=read)
    source = read_yaml(text, path, PlaybookError)
    found = plays(Notes(book=book, source=source), source.value, Inherited(), numbering())
    raise_all(sorted(book.errors, key=lambda error: _position(error, path)))
    return Playbook(path=path, plays=found)


def _position(error: LunopsError, first: str) -> tuple[bool, str, int, int]:
    """Return where an error stands, to tell those of the first file before others, and each file's from the top."""
    found = _PLACE.match(error.where)
    file, line, column = (found[1], int(found[2]), int(found[3])) if found else (error.where, 0, 0)
    return file != first, file, line, column

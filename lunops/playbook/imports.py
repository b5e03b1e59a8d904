"""Read another file that a playbook names; circles and what has no end are refused."""

from __future__ import annotations

import posixpath

from lunops.errors import InputError, PlaybookError
from lunops.model import Json
from lunops.playbook.expressions import has_expression
from lunops.playbook.notes import Notes
from lunops.playbook.values import shown
from lunops.yaml_source import Source, read

DEEPEST = 40  # blocks and imports in each other
_MOST = 1000  # imports of one playbook


def imported(notes: Notes, file: Json, *key: str | int) -> Notes | None:
    """Return the top of the file that is named at a key, or None where it cannot be read, which is noted."""
    if not isinstance(file, str) or not file.strip() or "\0" in file:
        notes.add(f"{shown(file)} names no file", *key, fix="write its path, relative to this file's folder")
        return None
    if has_expression(file):
        fix = "write the name out, and put a `when` beside it: files are read before there is any value"
        notes.add("the file's name is an expression", *key, fix=fix)
        return None
    path = posixpath.join(posixpath.dirname(notes.source.path), file)
    chain = (*notes.chain, posixpath.normpath(notes.source.path))
    if posixpath.normpath(path) in chain:
        said = " > ".join((*chain, posixpath.normpath(path)))
        notes.add(f"the files import each other: {said}", *key, fix="take this import out")
        return None
    if notes.depth >= DEEPEST or len(notes.book.imports) >= _MOST:
        said = f"there are more than {DEEPEST} imports in each other, or {_MOST} in all"
        notes.add(said, *key, fix="put the tasks into fewer files")
        return None
    notes.book.imports.append(path)
    source = _source(notes, path, *key)
    if source is None:
        return None
    folder = posixpath.join(notes.folder, posixpath.dirname(file))
    return Notes(book=notes.book, source=source, folder=folder, chain=chain, depth=notes.depth + 1)


def _source(notes: Notes, path: str, *key: str | int) -> Source | None:
    sources = notes.book.sources
    if path not in sources:
        sources[path] = None
        if notes.book.read is None:
            notes.add(f"{path} cannot be read here", *key, fix="write its tasks or plays in place of the import")
            return None
        try:
            text = notes.book.read(path)
        except InputError as error:
            fix = error.fix or f"paths are relative to {posixpath.dirname(notes.source.path) or 'this folder'}"
            notes.add(error.what, *key, fix=fix)
            return None
        try:
            sources[path] = read(text, path, PlaybookError)
        except PlaybookError as error:
            notes.book.errors.append(error)
    return sources[path]

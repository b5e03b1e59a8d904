"""Find and read the files of an inventory: its sources, and `host_vars` and `group_vars` beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from lunops.errors import InputError, InventoryError, LunopsError
from lunops.inventory import Inventory, Text, VariablesText, combine
from lunops.near import hint
from lunops.together import raise_all

Reader = Callable[[Path], str]
_SOURCES: Final = ("", ".ini", ".yml", ".yaml", ".json")
_IGNORED: Final = (".orig", ".bak", ".cfg", ".retry", ".pyc", ".pyo", ".swp", ".rpm", ".md", ".txt", ".rst")
_VARIABLES: Final = (".yml", ".yaml", ".json")
_FOLDERS: Final = ("host_vars", "group_vars", "vars_plugins")


def read_file(path: Path) -> str:
    """Return a file's text; raises `InventoryError` naming it."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        what = f"cannot read this: {error.strerror or error}"
        raise InventoryError(what, where=str(path), fix="see that it is a file, and that you may read it") from error
    except UnicodeDecodeError as error:
        raise InventoryError(f"this is not UTF-8 text: {error}", where=str(path), fix="save it as UTF-8") from error


def load(sources: Sequence[str], *, playbook_folder: Path | None = None, read: Reader = read_file) -> Inventory:
    """Return the inventory that some sources make together; what a later one says wins.

    A source is a file (INI or YAML), a folder of them, or a list of hosts with a comma in it. `host_vars` and
    `group_vars` are read beside each source, and in the playbook's folder. `read` gives a file's text, and may
    decrypt it. Raises `InventoryError` with every error that there is.
    """
    texts: list[Text] = []
    folders: dict[Path, None] = {}
    errors: list[LunopsError] = []
    for source in sources:
        path = Path(source)
        if "," in source and not path.exists():
            texts.append(Text(text=source))
            continue
        folder = path if path.is_dir() else path.parent
        folders.pop(folder, None)  # the last time that it is named decides how strong it is
        folders[folder] = None
        for each in _files(path, errors):
            try:
                texts.append(Text(text=read(each), path=each))
            except InputError as error:
                errors.append(error)
    raise_all(errors)
    if not texts:
        where = ", ".join(sources)
        raise InventoryError("there is no inventory", where=where, fix="name a file, a folder with one, or `h1,h2,`")

    def variables(hosts: Collection[str], groups: Collection[str]) -> Sequence[VariablesText]:
        places: list[tuple[Path, Literal["inventory", "playbook"]]] = [(folder, "inventory") for folder in folders]
        if playbook_folder is not None:
            places.append((playbook_folder, "playbook"))
        found = []
        for folder, beside in places:
            kinds: tuple[tuple[Literal["host", "group"], Collection[str]], ...] = (("group", groups), ("host", hosts))
            for kind, names in kinds:
                for name, path in _variables(folder / f"{kind}_vars", names):
                    text = read(path)
                    found.append(
                        VariablesText(kind=kind, name=name, text=text, path=path, folder=folder, beside=beside)
                    )
        return found

    return combine(texts, variables)


def _files(path: Path, errors: list[LunopsError]) -> Iterator[Path]:
    """Give the files of a source, those of a folder in alphabetical order."""
    if not path.is_dir():
        if not path.exists():
            near = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            fix = hint(path.name, near, "files beside it")
            errors.append(InventoryError("there is no such inventory", where=str(path), fix=fix))
        elif _is_script(path):
            fix = "save what it prints as YAML (`ansible-inventory -i … --list --yaml`), and give that"
            errors.append(InventoryError("this is a script, and lunops runs none", where=str(path), fix=fix))
        else:
            yield path
        return
    for each in sorted(path.iterdir()):
        if each.name.startswith(".") or each.name in _FOLDERS or each.name.endswith(("~", *_IGNORED)):
            continue
        if each.is_dir() or each.suffix in _SOURCES:
            yield from _files(each, errors)
        else:
            fix = f"call it .ini or .yml, or one of the names that are passed over ({', '.join(_IGNORED[:4])}, NAME~)"
            errors.append(InventoryError(f"what is a file in {each.suffix!r}?", where=str(each), fix=fix))


def _is_script(path: Path) -> bool:
    if not (path.is_file() and os.access(path, os.X_OK)):
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _variables(folder: Path, names: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Give the files of variables for the hosts or groups of these names, in the order in which they count."""
    if not folder.is_dir():
        return
    found: dict[str, Path] = {}
    errors: list[LunopsError] = []
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(path.suffix) if path.suffix in _VARIABLES else path.name
        if path.name.startswith(".") or name not in names:
            continue
        if name in found:
            what = f"{name} has two files of variables, {found[name].name} and {path.name}"
            errors.append(InventoryError(what, where=str(folder), fix="keep one, or make a folder of them"))
        found[name] = path
    raise_all(errors)
    for name, path in found.items():
        yield from ((name, each) for each in (_below(path) if path.is_dir() else (path,)))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path)
        elif path.is_file() and path.suffix in ("", *_VARIABLES):
            yield path

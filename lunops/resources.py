"""Find and read the files that ship with lunops: templates and playbooks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lunops.errors import BadValueError, TemplateError
from lunops.modules.files import MOST_BYTES
from lunops.near import hint
from lunops.render import Templates

_HERE = Path(__file__).resolve().parent


def template_folder() -> Path:
    """Return the folder of the templates that ship with lunops."""
    return _folder("templates")


def playbook_folder() -> Path:
    """Return the folder of the playbooks that ship with lunops."""
    return _folder("playbooks")


def load_templates(*folders: Path) -> Templates:
    """Read every template (`*.j2`) right in these folders; the first folder that has a name wins.

    The templates that ship with lunops come last, always. A folder that is not there is passed over.
    """
    sources: dict[str, str] = {}
    for folder in (*folders, template_folder()):
        for path in sorted(folder.glob("*.j2")):
            if path.name in sources:
                continue
            try:
                sources[path.name] = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise TemplateError(f"the template cannot be read: {error}", where=str(path)) from error
    return Templates(sources)


def examples() -> dict[str, str]:
    """Return an example for each module, by its name: tasks, as YAML."""
    return {path.stem: path.read_text("utf-8") for path in sorted((_HERE / "modules" / "examples").glob("*.yml"))}


class FolderFiles:
    """The files beside a playbook: those in `files/` in its folder first, then those in the folder itself."""

    def __init__(self, *folders: Path) -> None:
        """Look in these folders, in their order."""
        self._places = tuple(place for folder in folders for place in (folder / "files", folder))

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises `BadValueError` where there is none, or it is too big to travel."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise BadValueError(
                f"src: {name!r} is not the name of a file beside the playbook",
                fix="put the file into files/ beside the playbook, and name it from there",
            )
        for place in self._places:
            found = place / path
            try:
                size = found.stat().st_size if found.is_file() else -1
                if size > MOST_BYTES:
                    raise BadValueError(
                        f"src: {found} has {size} bytes, more than the {MOST_BYTES} that travel in a task",
                        fix="bring it with a tool for big files (scp, rsync)",
                    )
                if size >= 0:
                    return found.read_bytes()
            except OSError as error:
                raise BadValueError(f"src: {found} cannot be read: {error.strerror}", fix="mend that") from error
        raise BadValueError(
            f"src: there is no file {name!r} in {self._shown()}", fix=hint(name, self._names(), "files")
        )

    def _shown(self) -> str:
        return " or ".join(str(place) for place in self._places)

    def _names(self) -> list[str]:
        return [path.name for place in self._places if place.is_dir() for path in place.iterdir() if path.is_file()]


def _folder(name: str) -> Path:
    packed = _HERE / "_data" / name  # in the wheel; a checkout has it beside the package
    return packed if packed.is_dir() else _HERE.parent / name

"""Find and read the files that ship with lunops: templates and playbooks."""

from __future__ import annotations

from pathlib import Path

from lunops.errors import TemplateError
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


def _folder(name: str) -> Path:
    packed = _HERE / "_data" / name  # in the wheel; a checkout has it beside the package
    return packed if packed.is_dir() else _HERE.parent / name

"""Import the agent's modules from memory and start it: the first of them to run on a head.

`lunops.agent_bundle` sends this text along with all the others; nothing is written to the head's disk.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import traceback

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Callable, Mapping, NoReturn, Sequence


class Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the modules of a mapping of module name to source."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that was sent, or None to leave it to the head's own Python."""
        package = self.is_package(name)
        if not package and name not in self.sources:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=self.file_name(name), is_package=package)
        spec.has_location = True  # sets __file__
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source; `lunops` itself was not sent and is empty."""
        source = self.sources.get(module.__name__, "")
        exec(compile(source, self.file_name(module.__name__), "exec", dont_inherit=True), module.__dict__)

    def is_package(self, name: str) -> bool:
        """Return whether modules stand below the name."""
        return any(other.startswith(name + ".") for other in self.sources)

    def file_name(self, name: str) -> str:
        """Return what tracebacks call the module: its path in the project."""
        return name.replace(".", "/") + ("/__init__.py" if self.is_package(name) else ".py")

    def get_source(self, name: str) -> str | None:
        """Return a module's source; the standard library's tracebacks ask for it."""
        return self.sources.get(name)


def start(sources: Mapping[str, str], module: str = "lunops.agent.serve") -> NoReturn:
    """Run the module's `main` and end the process; an exception is shown with its source lines."""
    sys.meta_path.insert(0, Importer(sources))
    try:
        main: Callable[[], int | None] = importlib.import_module(module).main
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(1)

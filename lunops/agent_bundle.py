"""Pack the agent into one blob and say how a Python on a head takes it: nothing is installed there."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

# One line, and double quotes only, so that it stands readable in the single quotes of any shell and in `ps`.
# The buffer of one byte is the point: nothing after the bundle may be swallowed, whoever reads stdin next.
_BOOT = (
    "import io,json,zlib;"
    "i=io.BufferedReader(io.FileIO(0,closefd=False),1);"
    "s=json.loads(zlib.decompress(i.read(int(i.readline()))));"
    'n={"__name__":"lunops.agent.loader"};'
    'exec(compile(s["lunops.agent.loader"],"lunops/agent/loader.py","exec"),n);'
    'n["start"](s)'
)


def bundle() -> bytes:
    """Return all modules of `lunops.agent` as zlib-compressed JSON: {module name: source}."""
    sources = dict(_modules(files("lunops.agent"), "lunops.agent"))
    return zlib.compress(json.dumps(sources, sort_keys=True).encode(), 9)


def preamble() -> bytes:
    """Return what a process started with `bootstrap_argv` reads before the protocol begins."""
    blob = bundle()
    return b"%d\n%b" % (len(blob), blob)


def bootstrap_argv(python: str, ready: str = "") -> tuple[str, ...]:
    """Return the argv of a process that reads `preamble()`, then is the agent on the same stdin and stdout.

    `ready` is a word, of letters, digits and dashes, that it writes before it reads anything.

    -I: neither PYTHON* variables, nor the user's own packages, nor the working folder reach a program that
    may run as root. -S: no site-packages either; the agent needs none, and start-up is faster.
    """
    say = f'import os;os.write(1,b"{ready}");' if ready else ""
    return (python, "-I", "-S", "-X", "utf8", "-c", say + _BOOT)


def _modules(folder: Traversable, package: str) -> Iterator[tuple[str, str]]:
    """Give name and source of every module of the package in `folder`."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        stem = entry.name.removesuffix(".py")
        if entry.is_dir() and entry.joinpath("__init__.py").is_file():
            yield from _modules(entry, f"{package}.{entry.name}")
        elif entry.name == "__init__.py":
            yield package, entry.read_text("utf-8")
        elif stem != entry.name:
            yield f"{package}.{stem}", entry.read_text("utf-8")

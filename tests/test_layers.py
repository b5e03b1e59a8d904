"""The order of the layers, what the core may import, and what the agent may use."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "lunops"

# Lowest first; a file imports from its own layer and from those below. A package stands for all that is in it.
CORE_LAYERS = (
    "errors near together",
    "names",
    "model",
    "typed inventory_range render validate fragment_bounds fragment_model fragment_rules fragment yaml_source",
    "inventory",
    "modules recap",
    "playbook",
    "planner",
    "saved",
)
OUTER_LAYERS = (
    "agent",
    "agent_bundle sim resources settings settings_run pki vault mask inventory_files",
    "vault_keys",
    "connections",
    "relay_stream relay_tasks relay",
    "doctor head_run runner play",
    "store lives job_engine engine_pace engine_place engine",
    "jobs",
    "work service_parts v1_status web",
    "serve",
    "cli",
)
LAYERS = tuple(layer.split() for layer in (*CORE_LAYERS, *OUTER_LAYERS))
CORE = " ".join(CORE_LAYERS).split()
# What would give the core a clock, chance, a file, a socket or a process.
OUTSIDE = {
    "asyncio", "bottle", "cheroot", "click", "cryptography", "dbos", "fcntl", "http", "io", "multiprocessing", "os",
    "paramiko", "random", "rich", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess",
    "sys", "tempfile", "threading", "time", "urllib",
}  # fmt: skip
# Methods of Path that reach the file system.
FILE_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "exists", "is_file", "is_dir", "glob", "iterdir",
    "mkdir", "stat", "unlink", "resolve",
}  # fmt: skip


def files(package: str) -> list[Path]:
    """Return the files of a module or package right below lunops."""
    return [ROOT / f"{package}.py"] if (ROOT / f"{package}.py").is_file() else sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Give the modules that a file imports, `from lunops import x` as lunops.x; those for type checkers count too."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            yield module
            if module == "lunops" or (ROOT.parent / module.replace(".", "/")).is_dir():
                yield from (f"{module}.{alias.name}" for alias in node.names)


def below(package: str) -> set[str]:
    """Return what a layer's file may import of lunops."""
    number = next(number for number, layer in enumerate(LAYERS) if package in layer)
    return {name for layer in LAYERS[: number + 1] for name in layer}


def part(module: str) -> str:
    """Return the layer's name in lunops.NAME.…, or the empty text."""
    words = module.split(".")
    return words[1] if words[0] == "lunops" and len(words) > 1 else ""


@pytest.mark.parametrize("package", [name for layer in LAYERS for name in layer])
def test_imports_go_downwards_only(package: str) -> None:
    assert files(package), f"lunops/{package} is gone: take it out of LAYERS"
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(package)
        for module in imports(path)
        if part(module) not in ("", "__version__") and part(module) not in below(package)
    ]
    assert wrong == []


def test_every_file_has_its_layer() -> None:
    known = {name for layer in LAYERS for name in layer}
    found = {path.stem for path in ROOT.iterdir() if (path.suffix == ".py" or (path / "__init__.py").is_file())}

    assert {name for name in found if not name.startswith("__")} == known, "give each its place in LAYERS, above"


@pytest.mark.parametrize("package", sorted(CORE))
def test_the_core_does_no_input_or_output(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {each}"
        for path in files(package)
        for each in imports(path)
        if each.split(".")[0] in OUTSIDE
    ]
    for path in files(package):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in FILE_METHODS | {"print", "input"}:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {name}")
    assert wrong == []


def test_there_are_no_circles_of_imports() -> None:
    graph = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): {
            each for each in imports(path, top_level_only=True) if each.startswith("lunops")
        }
        for path in ROOT.rglob("*.py")
    }
    done: set[str] = set()

    def walk(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " > ".join((*above, module))
        if module in done or module not in graph:
            return
        for each in sorted(graph[module] - {module}):
            # A package's own files import from it only what stands above them in its __init__.
            if not module.startswith(f"{each}."):
                walk(each, (*above, module))
        done.add(module)

    for module in sorted(graph):
        walk(module, ())


@pytest.mark.parametrize("path", files("agent"), ids=lambda path: path.name)
def test_the_agent_is_plain_python_3_8_and_imports_nothing_but_the_standard_library_and_itself(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    foreign = [
        module
        for module in imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names and not f"{module}.".startswith("lunops.agent.")
    ]
    assert foreign == []


def loaded(*code: str) -> set[str]:
    """Return the top-level names of all modules that a fresh Python has loaded after running the code."""
    source = "\n".join([*code, "import json, sys", "print(json.dumps(sorted(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT.parent
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


HEAVY = {"paramiko", "bottle", "cheroot", "dbos", "sqlalchemy", "pydantic", "jinja2", "ruamel", "cryptography", "rich"}


def test_importing_lunops_loads_nothing_heavy() -> None:
    assert not loaded("import lunops") & (HEAVY | {"click"})


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    assert not loaded("from lunops.cli import run", "assert run(['--version']) == 0") & HEAVY


def test_planning_and_running_on_a_local_head_load_no_paramiko_nor_the_service() -> None:
    assert not loaded("import lunops.cli.run") & {"paramiko", "bottle", "cheroot", "dbos", "cryptography", "rich"}

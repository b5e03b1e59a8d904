"""The agent as one blob, started by real interpreters."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import lunops.agent
from lunops.agent_bundle import bootstrap_argv, bundle, preamble

OLDEST = shutil.which("python3.8")
FOLDER = Path(lunops.agent.__file__).parent
CANCEL = b'{"do": "cancel"}\n'
UNKNOWN = b'{"do": "dance", "module": "waltz"}\n'


def run(data: bytes, python: str = sys.executable, **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(bootstrap_argv(python), input=data, capture_output=True, timeout=60, check=False, **more)  # type: ignore[call-overload, no-any-return]


def packed(sources: dict[str, str]) -> bytes:
    blob = zlib.compress(json.dumps(sources).encode())
    return b"%d\n%b" % (len(blob), blob)


def test_the_bundle_holds_every_module_of_the_agent() -> None:
    sources = json.loads(zlib.decompress(bundle()))
    files = {path.relative_to(FOLDER.parent.parent) for path in FOLDER.rglob("*.py")}
    names = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    assert sources.keys() == names
    assert sources["lunops.agent.protocol"] == (FOLDER / "protocol.py").read_text("utf-8")


def test_the_bundle_is_the_same_every_time() -> None:
    assert bundle() == bundle()


def test_the_boot_line_stands_in_single_quotes_of_any_shell_as_it_is() -> None:
    *_, boot = bootstrap_argv("python3")
    assert boot.isprintable()
    assert not set("'\n!`$\\") & set(boot)
    assert shlex.join(bootstrap_argv("python3")) == f"python3 -I -S -X utf8 -c '{boot}'"


@pytest.mark.parametrize("python", [sys.executable, OLDEST], ids=["ours", "oldest"])
def test_what_follows_the_bundle_in_the_same_write_reaches_the_agent(python: str | None) -> None:
    if python is None or subprocess.run([python, "-c", "1"], capture_output=True, check=False).returncode:
        pytest.skip("there is no Python 3.8 here")
    done = run(preamble() + CANCEL + UNKNOWN, python)
    hello, error = (json.loads(line) for line in done.stdout.splitlines())
    assert hello["event"] == "hello"
    assert error["event"] == "error"
    assert "dance" in error["what"]
    assert (done.stderr, done.returncode) == (b"", 0)


def test_the_bundle_may_come_in_any_pieces() -> None:
    process = subprocess.Popen(bootstrap_argv(sys.executable), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    data = preamble()
    for start in range(0, len(data), 997):
        process.stdin.write(data[start : start + 997])
        process.stdin.flush()
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["event"] == "hello"


def test_a_bug_in_the_agent_shows_file_line_and_source() -> None:
    sources = json.loads(zlib.decompress(bundle()))
    sources["lunops.agent.serve"] = "from lunops.agent import broken\n\ndef main():\n    broken.breaks()\n"
    sources["lunops.agent.broken"] = "def breaks():\n    return 1 / 0  # here\n"
    done = run(packed(sources))
    text = done.stderr.decode()
    assert done.returncode == 1
    assert 'File "lunops/agent/broken.py", line 2, in breaks\n    return 1 / 0  # here' in text
    assert "ZeroDivisionError" in text


def test_neither_the_working_folder_nor_the_environment_reaches_the_agent(tmp_path: Path) -> None:
    for name in ("json.py", "lunops.py", "subprocess.py"):
        (tmp_path / name).write_text("raise SystemExit('taken over')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py")}
    done = run(preamble(), cwd=tmp_path, env=environment)
    assert b'"hello"' in done.stdout
    assert b"taken over" not in done.stderr


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_the_agent_is_python_3_8_and_imports_the_standard_library_and_itself_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=(3, 8))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    strangers = [
        name
        for name in imported
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("lunops.agent.")
    ]
    assert strangers == []

"""Every error of the playbook reader, held to the files in tests/scenarios/reader: a playbook, and what is said of it.

Each file is a list of cases; a new one needs no Python. `LUNOPS_GOLDEN=rewrite` writes what the reader says now into
the files; `git diff` is the review.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from lunops.errors import InputError, PlaybookError
from lunops.playbook.reader import read_playbook
from tests.reader_modules import READER_MODULES

FILES = sorted((Path(__file__).parent / "scenarios" / "reader").glob("*.yml"))
CASES = [(path, case) for path in FILES for case in YAML(typ="safe", pure=True).load(path.read_text("utf-8"))]
READER = sorted((Path(__file__).parent.parent / "lunops" / "playbook").glob("*.py"))
# FILE:LINE:COLUMN, and the key; then how to mend it.
SHAPE = re.compile(r".+ \((plan|[a-z/.-]+)\.yml:[0-9]+:[0-9]+, [^ ].*\); .+", re.DOTALL)


def said(case: Any) -> list[str]:
    """Return the errors of a case, one text each."""
    files = case.get("files", {})

    def read(path: str) -> str:
        if path not in files:
            raise InputError(f"there is no file {path}")
        return str(files[path])

    try:
        read_playbook(case["playbook"], "plan.yml", None if case.get("alone") else read, modules=READER_MODULES)
    except PlaybookError as error:
        text = str(error)
        return [each.strip() for each in text.split("\n  ")[1:]] if "\n  " in text else [text]
    return []


@pytest.mark.parametrize(("path", "case"), CASES, ids=[f"{path.stem}: {case['case']}" for path, case in CASES])
def test_the_errors_are_those_of_the_scenario(path: Path, case: Any) -> None:
    del path
    if os.environ.get("LUNOPS_GOLDEN") == "rewrite":
        pytest.skip("the scenarios are being rewritten")
    assert said(case) == case["errors"]


@pytest.mark.skipif(os.environ.get("LUNOPS_GOLDEN") != "rewrite", reason="only on demand")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_scenarios_are_rewritten(path: Path) -> None:
    yaml = YAML()
    yaml.width = 2000
    cases = yaml.load(path.read_text("utf-8"))
    for case in cases:
        case["errors"] = said(case)
        case["playbook"] = LiteralScalarString(case["playbook"])
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(cases, file)


@pytest.mark.parametrize(("path", "case"), CASES, ids=[f"{path.stem}: {case['case']}" for path, case in CASES])
def test_every_error_has_file_line_column_key_and_remedy(path: Path, case: Any) -> None:
    assert case["errors"]
    for error in case["errors"]:
        assert SHAPE.fullmatch(error) or "this is not YAML" in error or path.stem == "yaml", error


def test_every_place_that_notes_an_error_is_reached_by_a_scenario() -> None:
    """Trace the reader over all scenarios: a new error without a case fails here, named by file and line."""
    sites = {
        (str(path), node.lineno)
        for path in READER
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.expr) and notes_an_error(node)
    }
    reached: set[tuple[str, int]] = set()
    watched = {str(path) for path in READER}

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for _, case in CASES:
            said(case)
    finally:
        sys.settrace(before)
    assert len(sites) > 60
    assert sorted(f"{Path(path).name}:{line}" for path, line in sites - reached) == []


def notes_an_error(node: ast.expr) -> bool:
    """Tell whether a node of the syntax is a call that notes or makes an error, or yields one."""
    if isinstance(node, ast.Yield):
        return isinstance(node.value, ast.Tuple)
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    is_note = name == "add" and bool(node.keywords) and node.keywords[-1].arg == "fix"
    return is_note or (name == "append" and "errors" in ast.unparse(node.func))

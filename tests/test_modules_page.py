"""docs/modules.md is what the modules say of themselves. `LUNOPS_GOLDEN=rewrite` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from lunops.modules import MODULES
from lunops.modules.described import undescribed
from lunops.modules.page import page
from lunops.resources import examples

PAGE = Path(__file__).resolve().parent.parent / "docs" / "modules.md"


def test_every_argument_says_what_it_is() -> None:
    assert undescribed(MODULES) == []


def test_the_page_is_what_the_modules_say() -> None:
    text = page(MODULES, examples())
    if os.environ.get("LUNOPS_GOLDEN") == "rewrite":
        PAGE.write_text(text, "utf-8")

    assert PAGE.read_text("utf-8") == text

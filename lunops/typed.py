"""Give the values of an inventory line or of `-e k=v` their type: JSON where they are JSON, else text."""

from __future__ import annotations

import json

from lunops.model import Json

_WORDS = {"True": True, "False": False, "None": None}  # as Ansible's inventories write them


def typed(text: str) -> Json:
    """Return 22 for `22`, true for `true` or `True`, a list for `["a"]`, and the text itself for everything else."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")

"""Name the nearest valid word to one that is not valid, for the end of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of the known words that is most like this one, or the empty text."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def hint(word: str, known: Iterable[str], kinds: str) -> str:
    """Return `did you mean 'X'?`, or what there is of these kinds (a plural) where nothing is near."""
    words = sorted(set(known))
    if near := nearest(word, words):
        return f"did you mean {near!r}?"
    if not words:
        return f"there are no {kinds} at all"
    shown = ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
    return f"the {kinds} there are: {shown}"

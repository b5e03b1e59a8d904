"""Report all errors that were found as one, so that one look at the message mends them all."""

from __future__ import annotations

from collections.abc import Sequence

from lunops.errors import InputError, LunopsError

_SHOWN = 20


def raise_all(errors: Sequence[LunopsError]) -> None:
    """Raise the errors as one, or the one, or nothing."""
    if not errors:
        return
    unique = list({str(error): error for error in errors}.values())
    if len(unique) == 1:
        raise unique[0]
    shown = [f"\n  {error}" for error in unique[:_SHOWN]]
    if len(unique) > _SHOWN:
        shown.append(f"\n  and {len(unique) - _SHOWN} more")
    kind = type(unique[0]) if len({type(error) for error in unique}) == 1 else InputError
    raise kind(f"{len(unique)} errors:" + "".join(shown))

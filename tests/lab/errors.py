"""The one error of the lab."""

from __future__ import annotations

from lunops.errors import LunopsError


class LabError(LunopsError):
    """The lab could not do what it was asked; says what, where (a head, a file) and how to mend it."""

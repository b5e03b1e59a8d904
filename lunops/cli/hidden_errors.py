"""Let no secret leave by an error: what an exception says, and a bug's trace, is masked before it goes up."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from lunops.errors import LunopsError
from lunops.mask import Mask


class MaskedBug(Exception):
    """A bug of ours, as it may be shown; `trace` is that of the exception itself."""

    def __init__(self, what: str, trace: str) -> None:
        super().__init__(what)
        self.trace = trace


@contextmanager
def masked_errors(mask: Mask) -> Iterator[None]:
    """Mask what is raised within, also in threads that nobody waits for."""

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
            text = "".join(traceback.format_exception(given.exc_value))
            print(mask.text(f"lunops: this is a bug of lunops, in a thread: {text}"), file=sys.stderr)

    before, threading.excepthook = threading.excepthook, in_thread
    try:
        yield
    except LunopsError as error:
        error.what, error.where, error.fix = (mask.text(each) for each in (error.what, error.where, error.fix))
        error.args = (error.what,)
        raise
    except (MaskedBug, click.ClickException, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        what = mask.text(f"{type(error).__name__}: {error}")
        raise MaskedBug(what, mask.text(traceback.format_exc())) from None
    finally:
        threading.excepthook = before

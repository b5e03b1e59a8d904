"""The command `lunops`: its entry point, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from lunops.cli.hidden_errors import MaskedBug
from lunops.cli.root import root
from lunops.errors import HeadError, InputError, LunopsError, UnreachableError

GENERAL, HEAD_FAILED, UNREACHABLE, BAD_OPTION, BAD_INPUT, INTERRUPTED, BUG = 1, 2, 4, 5, 8, 99, 250


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str], command: click.Command = root, environment: Mapping[str, str] | None = None) -> int:
    """Run the command; return its exit code. Errors go to standard error, as one message."""
    try:
        code = command.main(args=list(arguments), prog_name="lunops", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        error.show()
        return BAD_OPTION
    except click.ClickException as error:
        error.show()
        return GENERAL
    except LunopsError as error:
        _say(_message(error))
        return _code(error)
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`lunops … | head`): nothing is left to say, or to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GENERAL
    except Exception as error:
        is_masked = isinstance(error, MaskedBug)
        _say(f"this is a bug of lunops: {error if is_masked else f'{type(error).__name__}: {error}'}")
        if (os.environ if environment is None else environment).get("LUNOPS_DEBUG") == "1" or "-vvv" in arguments:
            import traceback

            print(error.trace if isinstance(error, MaskedBug) else traceback.format_exc(), file=sys.stderr, end="")
        else:
            _say("to mend it: please report it, with what LUNOPS_DEBUG=1 shows in addition")
        return BUG


def _message(error: LunopsError) -> str:
    text = f"{error.what}\n  where: {error.where}" if error.where else error.what
    return f"{text}\n  to mend it: {error.fix}" if error.fix else text


def _code(error: LunopsError) -> int:
    if isinstance(error, InputError):
        return BAD_INPUT
    if isinstance(error, UnreachableError):
        return UNREACHABLE
    return HEAD_FAILED if isinstance(error, HeadError) else GENERAL


def _say(text: str) -> None:
    print(f"lunops: {text}", file=sys.stderr)

"""Say why an agent did not start, by what the head's shell, sudo or Python wrote."""

from __future__ import annotations

import re

from lunops.errors import AgentError, HeadError, PrivilegeError
from lunops.model import Host

# bash, dash, zsh, fish, env and sudo each have their own words for a program that is not there.
_NOT_THERE = (
    r"(?:^|[:\s'\"])%s['\"]?: (?:\d+: )?(?:command not found|not found|No such file|Permission denied)"
    r"|(?:command not found|Unknown command): %s"
)
_QUOTED_CHARACTERS = 300


def started_in_vain(host: Host, exit_code: int | None, stderr: str, stdout: str) -> HeadError:
    """Return the error for an agent's process that ended, or said something else, before its hello."""
    tail = stderr.strip()
    if _says_no_python(host.python, exit_code, tail):
        return AgentError(
            f"there is no {host.python} on the head: {_last_line(tail)}",
            fix="install Python 3.8 or newer there, or set the host variable `python` to its path",
        )
    if host.become and (_is_missing("sudo", tail) or ("sudo" in tail and "Traceback" not in tail)):
        return sudo_refused(host, tail)
    if host.become and exit_code == 1 and "Traceback" not in tail:
        return sudo_refused(host, tail or "sudo ended with exit code 1 and said nothing")
    said = f"; on stderr: {tail}" if tail else ""
    heard = f"; on stdout: {shorten(stdout)}" if stdout.strip() else ""
    return AgentError(
        f"the agent ended before its first word, {how_it_ended(exit_code)}{said}{heard}",
        fix=f"see that `{host.python} -c 1` works there and prints nothing; Python 3.8 or newer is needed",
    )


def how_it_ended(exit_code: int | None) -> str:
    """Return `with exit code 3`, `by signal 9`, or what else is known."""
    if exit_code is None:
        return "without an exit code (as if by a signal)"
    return f"by signal {-exit_code}" if exit_code < 0 else f"with exit code {exit_code}"


def shorten(text: str) -> str:
    """Return the text, quoted, its middle left out if it is long."""
    text = text.strip()
    if len(text) > _QUOTED_CHARACTERS:
        text = text[: _QUOTED_CHARACTERS - 50] + " … " + text[-50:]
    return repr(text)


def sudo_refused(host: Host, tail: str, *, wrong_password: bool = False) -> PrivilegeError:
    """Return the error for a sudo that did not start the agent, by what it said."""
    user = host.user or "USER"
    if wrong_password:
        said = f": {_last_line(tail)}" if tail else ""
        return PrivilegeError(
            f"become was refused: sudo did not take the password, which was tried once{said}",
            fix=f"give -K the password that {user} has on this head",
        )
    if _is_missing("sudo", tail):
        return PrivilegeError(
            "become was refused: there is no sudo on the head",
            fix="install sudo there, or log in as root and take `become` from the inventory",
        )
    python = host.python if host.python.startswith("/") else f"/usr/bin/{host.python}"
    whose = host.become_user or "root"
    if host.become_password:
        fix = f"see that the password is right, and that sudoers allows `{user} ALL=({whose}) {python}`"
    else:
        fix = (
            f"with visudo on the head, allow `{user} ALL=({whose}) NOPASSWD: {python}`; or give the password with -K; "
            "or log in as root and take `become` from the inventory"
        )
    return PrivilegeError(f"become was refused: {_last_line(tail)}", fix=fix)


def _says_no_python(python: str, exit_code: int | None, tail: str) -> bool:
    return exit_code in (1, 126, 127) and _is_missing(python, tail)


def _is_missing(program: str, tail: str) -> bool:
    name = re.escape(program)
    return bool(re.search(_NOT_THERE % (name, name), tail, re.MULTILINE | re.IGNORECASE))


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else ""

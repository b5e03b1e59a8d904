"""Start the agent as another user, by sudo: with a password if one is given, else only where sudo asks for none.

The password goes to sudo's standard input, once, when sudo asks for it: in no argv, no environment, no file. sudo is
given a prompt that nobody else writes, and the agent's Python says first of all that it runs; only what comes first of
the two tells whether the password or the agent's program is to be sent. So a head that asks for none is not sent it,
the password cannot be taken for program text, nor the program for a password.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from lunops.connections.startup import sudo_refused
from lunops.errors import DeadlineError, PrivilegeError

if TYPE_CHECKING:
    from lunops.connections.base import Channel
    from lunops.model import Host

_LOOK_S = 0.02
# What any user may do, as far as the head's files let them; all else touches pools or LIO, which are root's.
_FOR_ANY_USER = frozenset({"command", "copy", "facts", "file", "setup", "shell", "stat", "template", "wait_for"})


class Elevation:
    """One start of an agent by sudo."""

    def __init__(self, host: Host) -> None:
        self._password = host.become_password if host.become else ""
        self._become = host.become
        self._user = "" if host.become_user == "root" else host.become_user
        word = secrets.token_hex(8)
        self._prompt = f"lunops-asks-{word}:"
        self._ready = f"lunops-runs-{word}" if self._password else ""

    def argv(self, python: str) -> tuple[str, ...]:
        """Return the argv that starts the agent; see `lunops.agent_bundle.bootstrap_argv`."""
        from lunops.agent_bundle import bootstrap_argv

        if not self._become:
            return bootstrap_argv(python)
        ask = ("-S", "-p", self._prompt) if self._password else ("-n",)
        user = ("-H", "-u", self._user) if self._user else ()
        return ("sudo", *ask, *user, "--", *bootstrap_argv(python, self._ready))

    def enter(self, host: Host, channel: Channel, timeout_s: float) -> str | None:
        """Give sudo the password if it asks, and return None once the agent's Python reads what it is sent.

        If it ended instead, return what it wrote, for `started_in_vain`. Raises `PrivilegeError` for a wrong
        password, which is tried once only, so that nobody is locked out; `DeadlineError`; `UnreachableError`.
        """
        if not self._ready:
            return None
        heard = b""
        is_sent = False
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            data = channel.receive(_LOOK_S)
            if data:
                heard += data
            if self._ready.encode() in heard:
                return None
            asked = channel.stderr_tail().count(self._prompt)
            if asked > 1:  # with no second answer sudo ends, and counts one failure
                raise sudo_refused(host, self.said(channel.stderr_tail()), wrong_password=True)
            if data == b"":
                return heard.decode("utf-8", "replace")
            if asked and not is_sent:
                is_sent = True
                channel.send(self._password.encode() + b"\n")
        said = self.said(channel.stderr_tail())
        raise DeadlineError(
            f"sudo neither asked for a password nor began within {timeout_s:g} s"
            + (f"; heard: {said}" if said else ""),
            fix="see what `sudo -S true` does there",
        )

    def said(self, text: str) -> str:
        """Return a text of sudo's without our prompt."""
        return "\n".join(line for each in text.splitlines() if (line := each.replace(self._prompt, "").strip()))


def refuse_without_root(host: Host, module: str) -> None:
    """Raise `PrivilegeError` for a module that needs root where `become_user` is somebody else."""
    is_another = host.become and host.connection != "sim" and host.become_user not in ("", "root")
    if is_another and module not in _FOR_ANY_USER:
        raise PrivilegeError(
            f"{module} works on pools and LIO, which needs root, and become_user is {host.become_user!r}",
            fix="give this task `become_user: root`, or none",
        )


def checked(host: Host, uid: int) -> None:
    """Raise `PrivilegeError` where sudo has not given root; that it gives another user is sudo's to know."""
    if not host.become or host.connection == "sim" or host.become_user not in ("", "root"):
        return
    if uid != 0:
        raise PrivilegeError(
            f"become was asked for, but the agent runs as uid {uid}", fix="let sudo on the head give root"
        )

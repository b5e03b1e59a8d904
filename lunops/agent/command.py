"""command and shell: run a command, one item after the other, and tell what came of it.

    {"argv": ["ls", "-l"], "cmd": "ls -l", "chdir": "/tmp", "creates": "", "removes": "", "stdin": "…",
     "strip_empty_ends": true, "environment": {"LANG": "C"}, "check": ["test", "-e", "/x"]}

`cmd` is what is told of it; `argv` is what is run, for a shell the shell itself with `-c`. `check` is a command that
only looks: where it ends with 0 there is nothing to do, in check mode and else. Without it, and without `creates` and
`removes`, check mode does not know what it would do.

However it ends before its time, by a cancelled run, a lost connection or the task's deadline, all of its processes get
SIGTERM, what is left after 2 s SIGKILL, and it is told what is left even so.
"""

from __future__ import annotations

import datetime
import json
import shlex

from lunops.agent import glob
from lunops.agent.outcome import ItemError, Outcome
from lunops.agent.started import OUTPUT_BYTES

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    from lunops.agent.started import Started, Stream
    from lunops.agent.work import Item, Work

GRACE_S = 2.0
_LOOK_S = 0.1
_SHOWN = 300  # letters of a command in what is told of it


def run(work: Work, items: Sequence[Item]) -> None:
    """Do the task; a loop's order is kept."""
    work.each(items, lambda item, outcome: _one(work, item.args, outcome), forks=1)


def _one(work: Work, args: Dict[str, Any], outcome: Outcome) -> None:
    shown = _shortened(args["cmd"] if isinstance(args["cmd"], str) else _joined(args["argv"]))
    reason = _needless(work, args)
    if reason:
        outcome.data = {"cmd": args["cmd"], "rc": 0, "stdout": reason, "stderr": "", "msg": _said(work, reason)}
        return
    if args.get("check"):
        probe = _Run(work, args, args["check"], "")
        probe.go()
        if probe.stopped:
            raise probe.error()
        if probe.code == 0:
            text = "nothing to do, since `%s` ended with 0" % _shortened(_joined(args["check"]))
            outcome.data = {"cmd": args["cmd"], "rc": 0, "stdout": "", "stderr": "", "msg": text}
            return
    if work.check:
        known = bool(args.get("check") or args.get("creates") or args.get("removes"))
        outcome.unknown = not known
        outcome.changes += ["run: %s" % shown] * known
        text = "Command would have run if not in check mode" if known else "only running it would tell what it changes"
        outcome.data = {"cmd": args["cmd"], "msg": text}
        return
    running = _Run(work, args, args["argv"], args.get("stdin") or "")
    outcome.changes.append("run: %s" % shown)
    running.go()
    outcome.data = running.data()
    if running.stopped or running.code != 0:
        raise running.error()


def _needless(work: Work, args: Dict[str, Any]) -> str:
    """Return why it need not run, in Ansible's words, or the empty text."""
    folder = args.get("chdir") or "/"
    for key, there in (("creates", True), ("removes", False)):
        path = args.get(key)
        if path and glob.some(work.system, path if path.startswith("/") else "%s/%s" % (folder, path)) is there:
            return "skipped, since %s %s" % (path, "exists" if there else "does not exist")
    return ""


def _said(work: Work, reason: str) -> str:
    return "%s not run command: %s" % ("Would" if work.check else "Did", reason)


class _Run:
    """One process and what it starts, from its beginning to its end."""

    def __init__(self, work: Work, args: Dict[str, Any], argv: Sequence[str], stdin: str) -> None:
        self._work = work
        self._args = args
        self._argv = list(argv)
        self._stdin = stdin.encode("utf-8", "surrogateescape")
        self._texts: Tuple[str, str] = ("", "")
        self._times = (0.0, 0.0)
        self._failure = ""  # why it could not even be started
        self.code = 0
        self.stopped = ""  # why it was ended before its time
        self._left: List[str] = []

    def go(self) -> None:
        """Run it to its end, or to that of the task."""
        system = self._work.system
        environment = system.environment()
        environment.update(self._args.get("environment") or {})
        begun, wall = system.monotonic(), system.time()
        self._times = (wall, wall)
        try:
            started = system.start(
                self._argv, stdin=self._stdin, folder=self._args.get("chdir") or "", environment=environment
            )
        except OSError as error:
            self.code = error.errno or 1
            self._failure = "%s: %s" % (error.filename or self._argv[0], error.strerror or error)
            return
        self._await(started)
        self._times = (wall, wall + system.monotonic() - begun)
        strip = self._args.get("strip_empty_ends", True)
        self._texts = (_text(started.out, strip=strip), _text(started.err, strip=strip))

    def _await(self, started: Started) -> None:
        while True:
            code = started.wait(_LOOK_S)
            if code is not None:
                self.code = code
                return
            if self._work.is_over():
                cancelled = self._work.cancelled.is_set()
                self.stopped = "the run was cancelled" if cancelled else "the task's time was over"
                self._left = started.stop(GRACE_S)
                found = started.wait(0.0)
                self.code = -15 if found is None else found
                return

    def data(self) -> Dict[str, Any]:
        """Return what Ansible's module tells of it."""
        start, end = (datetime.datetime.fromtimestamp(each) for each in self._times)
        found: Dict[str, Any] = {
            "cmd": self._args["cmd"],
            "rc": self.code,
            "stdout": self._texts[0],
            "stderr": self._texts[1],
            "start": str(start),
            "end": str(end),
            "delta": str(end - start),
            "msg": "",
        }
        if self._failure:
            found["msg"] = "Error executing command."
        elif self.stopped:
            found["msg"] = self.error().what
            found["stopped"] = True
            found["left"] = self._left
        elif self.code:
            found["msg"] = "non-zero return code"
        return found

    def error(self) -> ItemError:
        """Return why it failed."""
        if self._failure:
            return ItemError("it cannot be run: %s" % self._failure, "look at its name, and at chdir")
        if self._left:
            return ItemError(
                "%s, and these of its processes do not even end by SIGKILL: %s" % (self.stopped, ", ".join(self._left)),
                "look at them on the head: ps -o pid,stat,wchan,args",
            )
        if self.stopped:
            is_late = not self._work.cancelled.is_set()
            return ItemError(
                "%s: the command and all that it had started were stopped" % self.stopped,
                "give the task a longer timeout" if is_late else "",
            )
        tail = [line for line in (self._texts[1] or self._texts[0]).splitlines() if line.strip()][-1:]
        return ItemError(": ".join(["non-zero return code %d" % self.code, *(_shortened(line) for line in tail)]))


def _text(stream: Stream, *, strip: bool) -> str:
    """Return an output as text, so short that it fits into an event, and says so where it is not whole."""
    text = stream.data.decode("utf-8", "replace")
    dropped = stream.dropped
    while len(json.dumps(text)) > OUTPUT_BYTES + 2:  # control characters take six letters each
        half = text[: len(text) // 2]
        dropped += len(text[len(half) :].encode())
        text = half
    if dropped:
        return text + "\n[lunops: cut here, %d bytes are left out]" % dropped
    return text.rstrip("\r\n") if strip else text


def _joined(argv: Sequence[str]) -> str:
    return shlex.join(argv)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"

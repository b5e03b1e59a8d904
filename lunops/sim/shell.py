"""The few commands that `command` and `shell` find on a simulated head, and the little that its shell understands.

What is not here ends with 127 and says that the head is simulated: a rehearsal must not pass for what it is not.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lunops.agent.started import Started, Stream

if TYPE_CHECKING:
    from lunops.agent.files import Info
    from lunops.sim.head import SimulatedSystem

_SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash")
_UNDERSTOOD = (";", "&&", "||")
_NOT_HERE = "{0}: this is a simulated head, which has no such command\n"
_NOT_UNDERSTOOD = "sh: this is a simulated head, whose shell knows words, ;, && and ||, and not {0}\n"


class Ended(Started):
    """A simulated command: it did all at its start, and ends when its sleeping is over."""

    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.out, self.err = Stream(), Stream()
        self.out.take(out.encode())
        self.err.take(err.encode())
        self.pid = 0
        self._code = code
        self._left_s = seconds
        self._stopped = threading.Event()

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code; None if it does not end in time."""
        waited = min(timeout_s, self._left_s)
        self._stopped.wait(waited)
        self._left_s -= waited
        if self._stopped.is_set():
            return -15
        return self._code if self._left_s <= 0 else None

    def stop(self, grace_s: float) -> list[str]:  # noqa: ARG002 - it ends at once
        """End it."""
        self._stopped.set()
        return []


class Shell:
    """One command line on its way."""

    def __init__(self, head: SimulatedSystem, folder: str, environment: Mapping[str, str], stdin: bytes) -> None:
        self._head = head
        self._folder = folder
        self._environment = environment
        self._stdin = stdin.decode("utf-8", "replace")
        self._out = ""
        self._err = ""
        self._slept_s = 0.0
        self._commands: Mapping[str, Callable[[Sequence[str]], int]] = {
            "[": self._bracket,
            "cat": self._cat,
            "echo": lambda words: self._say(" ".join(words) + "\n"),
            "env": lambda _words: self._say("".join(f"{name}={value}\n" for name, value in environment.items())),
            "false": lambda _words: 1,
            "hostname": lambda _words: self._say(f"{head.uname()[1]}\n"),
            "id": lambda words: self._say("0\n" if words else "uid=0(root) gid=0(root) groups=0(root)\n"),
            "pwd": lambda _words: self._say(f"{folder}\n"),
            "sleep": self._sleep,
            "test": self._test,
            "touch": self._touch,
            "true": lambda _words: 0,
            "uname": self._uname,
            "whoami": lambda _words: self._say("root\n"),
        }

    def start(self, argv: Sequence[str]) -> Ended:
        """Do it, and return it as what was started."""
        is_line = argv[0] in _SHELLS and len(argv) == 3 and argv[1] == "-c"
        code = self._line(argv[2]) if is_line else self._run(argv)
        return Ended(code, self._out, self._err, self._slept_s)

    def _line(self, line: str) -> int:
        try:
            tokens = _tokens(line)
        except ValueError as error:
            self._err += f"sh: {error}\n"
            return 2
        code, words, skipping = 0, [], False
        for token in [*tokens, ";"]:
            is_operator = bool(token) and set(token) <= set(";&|<>()\n")
            if is_operator and token not in _UNDERSTOOD:
                self._err += _NOT_UNDERSTOOD.format(token)
                return 127
            if not is_operator:
                words.append(token)
                continue
            if words and not skipping:
                if words[0] == "exit":
                    return int(words[1]) if words[1:] else code
                code = self._run(words)
            skipping = code != 0 if token == "&&" else code == 0 if token == "||" else False
            words = []
        return code

    def _run(self, argv: Sequence[str]) -> int:
        name = argv[0].rsplit("/", 1)[-1]
        if name in self._commands:
            return self._commands[name](argv[1:])
        output = self._head.run([name, *argv[1:]])
        self._out += output.out
        is_missing = output.code == 127 and output.err.endswith("No such file or directory")
        self._err += _NOT_HERE.format(argv[0]) if is_missing else output.err
        return output.code

    def _say(self, text: str) -> int:
        self._out += text
        return 0

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"{self._folder}/{path}"

    def _cat(self, words: Sequence[str]) -> int:
        if not words:
            return self._say(self._stdin)
        code = 0
        for word in words:
            try:
                self._out += self._head.read(self._path(word))
            except OSError as error:
                self._err += f"cat: {word}: {error.strerror}\n"
                code = 1
        return code

    def _touch(self, words: Sequence[str]) -> int:
        for word in words:
            try:
                self._head.touch(self._path(word))
            except OSError as error:
                self._err += f"touch: cannot touch '{word}': {error.strerror}\n"
                return 1
        return 0

    def _sleep(self, words: Sequence[str]) -> int:
        try:
            self._slept_s += sum(float(word.removesuffix("s")) for word in words)
        except ValueError:
            self._err += f"sleep: invalid time interval '{words[0]}'\n"
            return 1
        return 0

    def _uname(self, words: Sequence[str]) -> int:
        letters = "".join(word.lstrip("-") for word in words) or "s"
        values = dict(zip("snrvm", self._head.uname(), strict=True))
        return self._say(" ".join(values[each] for each in "snrvm" if each in letters or "a" in letters) + "\n")

    def _bracket(self, words: Sequence[str]) -> int:
        if words[-1:] != ["]"]:
            self._err += "[: missing ]\n"
            return 2
        return self._test(words[:-1])

    def _test(self, words: Sequence[str]) -> int:
        if words[:1] == ["!"]:
            code = self._test(words[1:])
            return code if code > 1 else 1 - code
        if len(words) == 2 and words[0] in _LOOKS:
            now = self._head.info(self._path(words[1]), follow=words[0] not in ("-L", "-h"))
            return 0 if now is not None and _LOOKS[words[0]](now) else 1
        if len(words) == 2 and words[0] in ("-n", "-z"):
            return 0 if bool(words[1]) == (words[0] == "-n") else 1
        if len(words) == 3 and words[1] in ("=", "==", "!="):
            return 0 if (words[0] == words[2]) == (words[1] != "!=") else 1
        if len(words) <= 1:
            return 0 if words and words[0] else 1
        self._err += f"test: this is a simulated head, which does not know {' '.join(words)}\n"
        return 2


_LOOKS: Mapping[str, Callable[[Info], bool]] = {
    "-b": lambda now: now.kind == "block",
    "-d": lambda now: now.kind == "dir",
    "-e": lambda _now: True,
    "-f": lambda now: now.kind == "file",
    "-h": lambda now: now.kind == "link",
    "-L": lambda now: now.kind == "link",
    "-s": lambda now: now.size > 0,
}


def _tokens(line: str) -> list[str]:
    """Return the words and operators of a line; raises ValueError where it has what is not understood."""
    for letter in "$`*?":
        if letter in line:
            raise ValueError(f"this is a simulated head, whose shell does not know {letter}")
    lexer = shlex.shlex(line.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)

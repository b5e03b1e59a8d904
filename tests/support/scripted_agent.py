"""An agent that behaves as its first argument says: `python scripted_agent.py WAY`. For tests of sessions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

Request = dict[str, Any]


def say(**event: Any) -> None:
    shout(json.dumps(event).encode() + b"\n")


def shout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def hello(protocol: int = 1) -> None:
    say(event="hello", protocol=protocol, python="3.11.2", hostname="scripted", pid=os.getpid(), uid=os.getuid())


def requests() -> Iterator[Request]:
    for line in sys.stdin.buffer:
        yield json.loads(line)


def finish(request: Request, status: str = "changed", **more: Any) -> None:
    for item in request["items"]:
        say(event="item", id=request["id"], key=item["key"], status=status, seconds=0.01, **more)
    say(event="task_finished", id=request["id"], seconds=0.5, error="", fix="", wait_s=0.125)


def answers(then: Callable[[Request], None] = finish) -> None:
    hello()
    for request in requests():
        say(event="task_started", id=request["id"])
        then(request)


def pieces(request: Request) -> None:
    text = json.dumps({"event": "item", "id": request["id"], "key": request["items"][0]["key"], "status": "ok"})
    end = json.dumps({"event": "task_finished", "id": request["id"], "seconds": 0.0})
    for byte in f"{text}\n{end}\n".encode():
        shout(bytes([byte]))


def items_fail(request: Request) -> None:
    ends: list[Request] = [
        {"status": "failed", "error": "no", "fix": "do", "rolled_back": ["a"], "left_behind": ["b"], "seconds": 1.5},
        {"status": "changed", "changes": ["c", "d"], "made": [{"dataset": "p/x"}]},
    ]
    for item, end in reversed(list(zip(request["items"], ends, strict=True))):
        say(event="item", id=request["id"], key=item["key"], **end)
    say(event="task_finished", id=request["id"], seconds=2.0)


def alive_then_answers(request: Request) -> None:
    for _ in range(15):
        time.sleep(0.1)
        say(event="alive")
    finish(request)


def alive_for_ever(_: Request) -> None:
    while True:
        say(event="alive")
        time.sleep(0.05)


def dies(_: Request) -> None:
    print("Segmentation fault, or so", file=sys.stderr, flush=True)
    os._exit(3)


def leaves_a_child(_: Request) -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(12)"], stdin=subprocess.DEVNULL)
    os._exit(4)


def floods_stderr(request: Request) -> None:
    for number in range(16 << 10):
        sys.stderr.write(f"{number:06d}" + "x" * 1017 + "\n")
    sys.stderr.flush()
    finish(request)


def talks_big(request: Request) -> None:
    finish(request, changes=["y" * (3 << 20)])


def talks_while_listening() -> None:
    """Answer every piece of a request with as much output before the whole of it has been read."""
    hello()
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        line += piece
        say(event="unknown", text="z" * len(piece))
    finish(json.loads(line))


def cancelled(request: Request) -> None:
    say(event="item", id=request["id"], key=request["items"][0]["key"], status="ok")
    if next(requests()) != {"do": "cancel"}:
        os._exit(5)
    finish({**request, "items": request["items"][1:]}, status="skipped")


def deaf() -> None:
    """End neither with the input nor by TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hello()
    while True:
        time.sleep(1)


def item(request: Request, **more: Any) -> None:
    say(event="item", id=request["id"], **more)


def twice(request: Request) -> None:
    item(request, key="p/1", status="ok")
    item(request, key="p/1", status="ok")


def task_error(request: Request) -> None:
    finish({**request, "id": "another task"})
    item(request, key=request["items"][0]["key"], status="ok")
    say(event="task_finished", id=request["id"], seconds=0.1, error="no zfs here", fix="install it")


def noisy_start(noise: bytes) -> None:
    shout(noise)
    answers()


def no_hello() -> None:
    shout(b"your password: ")
    time.sleep(60)


WAYS: dict[str, Callable[[], None]] = {
    "good": answers,
    "pieces": lambda: answers(pieces),
    "items-fail": lambda: answers(items_fail),
    "skips": lambda: answers(lambda request: finish(request, status="skipped")),
    "task-error": lambda: answers(task_error),
    "alive-then-answers": lambda: answers(alive_then_answers),
    "alive-for-ever": lambda: answers(alive_for_ever),
    "freezes": lambda: answers(lambda _: time.sleep(60)),
    "dies": lambda: answers(dies),
    "is-killed": lambda: answers(lambda _: os.kill(os.getpid(), signal.SIGKILL)),
    "leaves-a-child": lambda: answers(leaves_a_child),
    "floods-stderr": lambda: answers(floods_stderr),
    "talks-big": lambda: answers(talks_big),
    "talks-while-listening": talks_while_listening,
    "cancelled": lambda: answers(cancelled),
    "deaf": deaf,
    "rubbish": lambda: answers(lambda _: shout(b"Killed by the weather\n")),
    "endless-line": lambda: answers(lambda _: shout(b"a" * (33 << 20))),
    "error-event": lambda: answers(lambda _: say(event="error", what="no such module")),
    "stranger": lambda: answers(lambda request: item(request, key="p/stranger", status="ok")),
    "twice": lambda: answers(twice),
    "missing": lambda: answers(lambda request: finish({**request, "items": request["items"][1:]})),
    "bad-status": lambda: answers(lambda request: item(request, key="p/1", status="perhaps")),
    "protocol-2": lambda: hello(2),
    "half-a-hello": lambda: say(event="hello", protocol=1),
    "banner": lambda: noisy_start(b'Welcome to the head\n{"not": "an event"}\nlast login: never '),
    "endless-banner": lambda: noisy_start(b"Welcome\n" * 20000),
    "endless-banner-line": lambda: noisy_start(b"Welcome " * 20000),
    "no-hello": no_hello,
    "ends-at-once": lambda: print("no room for python here", file=sys.stderr),
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()

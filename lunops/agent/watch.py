"""Watch a task's calls on LIO's configfs: one that hangs in the kernel is noticed by its time.

Such a call cannot be ended. So the task is ended without it: the thread that makes the call is left behind, and when
the call returns after all, that thread does nothing more.
"""

from __future__ import annotations

import threading

from lunops.agent import lio

TYPE_CHECKING = False  # a type checker takes it for true; importing typing would cost every start
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Tuple

    from lunops.agent.system import System

HANG_S = 120.0  # a call takes milliseconds; one that has not returned by then never will, as far as was seen
LATE_S = 5.0  # after the task's deadline; the controller gives up 15 s after it
_FILE_CALLS = frozenset(
    ("exists", "is_dir", "is_link", "listdir", "mkdir", "read", "resolve", "rmdir", "symlink", "unlink", "write")
)


class Abandoned(SystemExit):
    """The task was ended without this thread: a SystemExit ends a thread, passes all handlers, and is not shown."""


class Watch:
    """Which calls on configfs a task is in, and since when."""

    def __init__(self, system: System, hang_s: float) -> None:
        self.system = system
        self.hang_s = hang_s
        self.is_given_up = False
        self.came_back: Callable[[], None] = lambda: None  # called when the last call that was given up has returned
        self._lock = threading.Lock()
        self._calls: Dict[int, Tuple[float, str]] = {}  # thread → (since when, what)

    def call(self, what: str, do: Callable[..., Any], *args: Any) -> Any:
        """Do one call, watched."""
        me = threading.get_ident()
        with self._lock:
            self._check()
            self._calls[me] = (self.system.monotonic(), what)
        try:
            return do(*args)
        finally:
            with self._lock:
                self._calls.pop(me, None)
                is_last = self.is_given_up and not self._calls
            if is_last:
                self.came_back()
            self._check()

    def give_up(self, deadline: float) -> Tuple[str, float] | None:
        """Give the task up if a call hangs, and return which, and for how many seconds; else None.

        `deadline` is the task's: shortly after it, the controller no longer listens, so that less has to do.
        """
        now = self.system.monotonic()
        with self._lock:
            since, what = min(self._calls.values(), default=(now, ""))
            limit = min(self.hang_s, LATE_S) if now > deadline + LATE_S else self.hang_s
            if not what or now - since < limit:
                return None
            self.is_given_up = True
            return what, now - since

    def _check(self) -> None:
        if self.is_given_up:
            raise Abandoned


class _Watched:
    """A `System` whose calls on configfs are watched, and which does nothing for a task that was given up."""

    def __init__(self, system: System, watch: Watch) -> None:
        self._system = system
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._system, name)
        watch = self._watch

        def watched(*args: Any, **options: Any) -> Any:
            path = args[0] if args else ""
            if name == "symlink":
                path = args[1]
            if name in _FILE_CALLS and str(path).startswith(lio.ROOT):
                return watch.call("%s %s" % (name, path[len(lio.ROOT) + 1 :]), method, *args)
            if watch.is_given_up:
                raise Abandoned
            return method(*args, **options)

        self.__dict__[name] = watched  # found without this function from now on
        return watched


def watched(system: System, watch: Watch) -> System:
    """Return the system with its calls watched."""
    proxy: Any = _Watched(system, watch)
    found: System = proxy
    return found

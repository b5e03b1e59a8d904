"""Run the service, or a worker beside it: settings, store, jobs and front wired together, until a signal ends it.

SIGTERM and SIGINT stop it: no more requests, the tasks that run come to their end within `stop_s`, and what is
unfinished goes on at the next start. SIGHUP reads the certificates again. SIGKILL at any time loses no job.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lunops import settings as settings_files
from lunops.errors import CertificateError, LunopsError
from lunops.inventory import Inventory
from lunops.jobs import Jobs
from lunops.service_parts import LiveInventory, limits, outside
from lunops.settings import Settings
from lunops.store import Store
from lunops.web.app import make_app
from lunops.web.front import Front, FrontLimits
from lunops.work import Work

_STOP_MARGIN_S = 20.0  # for all that is not a task: connections, the engine's threads, Python's own end

_log = logging.getLogger("lunops.serve")


class Service:
    """All of it, in threads of its own. Start it once and stop it once."""

    def __init__(self, settings: Settings, *, has_worker: bool = True) -> None:
        """Read and open what the settings name; nothing runs yet. Raises LunopsError."""
        self._settings = settings
        self.inventory = LiveInventory(settings.inventory)
        with ExitStack() as undo:
            self._store = Store(settings.store)
            undo.callback(self._store.close)
            world = outside(self.inventory)
            self._work = Work(settings, self._store, world) if has_worker else None
            accepted = self._work.wake if self._work is not None else lambda: None
            jobs = Jobs(self._store, world, limits=limits(settings), accepted=accepted)
            self._front = Front(
                make_app(jobs, items_max=settings.items_max, body_max_bytes=settings.body_max_bytes),
                listen=settings.listen,
                certificate=settings.certificate,
                key=settings.key,
                client_ca=settings.client_ca,
                limits=FrontLimits(workers=settings.workers, body_bytes=settings.body_max_bytes),
            )
            undo.pop_all()

    def start(self) -> None:
        """Go on with unfinished jobs and take requests. Raises SettingsError if it cannot listen."""
        if self._work is not None:
            self._work.start()
        try:
            self._front.start()
        except LunopsError:
            self._stop_jobs()
            raise

    def stop(self) -> bool:
        """Stop in the order that loses nothing; return whether all came to its end in time."""
        answered = self._front.stop()
        return self._stop_jobs() and answered

    def reload(self) -> None:
        """Read the certificates again; keep the old ones if the new are of no use."""
        try:
            self._front.reload_tls()
        except CertificateError as error:
            _log.error("the certificates stay as they were: %s", error)

    @property
    def ready(self) -> str:
        """The line that says that it works."""
        host, _ = self._settings.listen
        address = f"https://{f'[{host}]' if ':' in host else host}:{self._front.port}"
        return f"lunops is ready: {address} (store {self._store.database.shown}, {_heads(self.inventory())})"

    def _stop_jobs(self) -> bool:
        ended = self._work.stop() if self._work is not None else True
        if ended:
            self._store.close()
        return ended


class WorkerProcess:
    """`lunops worker`: it does jobs, and answers no requests."""

    def __init__(self, settings: Settings) -> None:
        """Read and open what the settings name; nothing runs yet. Raises LunopsError."""
        self.inventory = LiveInventory(settings.inventory)
        self._store = Store(settings.store)
        self._work = Work(settings, self._store, outside(self.inventory))

    def start(self) -> None:
        """Go on with unfinished jobs, and take new ones."""
        self._work.start()

    def stop(self) -> bool:
        """Begin nothing more; return whether all that runs came to its end in time."""
        ended = self._work.stop()
        if ended:
            self._store.close()
        return ended

    def reload(self) -> None:
        """Do nothing: there are no certificates."""

    @property
    def ready(self) -> str:
        """The line that says that it works."""
        return (
            f"lunops worker is ready: {self._work.name} (store {self._store.database.shown},"
            f" {_heads(self.inventory())}, labels {', '.join(self._work.labels) or 'none'})"
        )


def _heads(inventory: Inventory) -> str:
    number = len(inventory.hosts)
    return f"{number} head{'' if number == 1 else 's'}"


def serve(config: Path, *, has_worker: bool = True) -> None:
    """Run the service until SIGTERM or SIGINT; print one line when it is ready. Raises LunopsError."""
    _run(config, lambda settings: Service(settings, has_worker=has_worker))


def work(config: Path, labels: Sequence[str] = ()) -> None:
    """Run a worker until SIGTERM or SIGINT; print one line when it is ready. Raises LunopsError."""
    _run(config, lambda settings: WorkerProcess(replace(settings, labels=tuple(labels) or settings.labels)))


def _run(config: Path, make: Callable[[Settings], Service | WorkerProcess]) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its tracebacks; what went wrong is said by ours
    settings = settings_files.read(config)
    settings_files.check_store(settings, config)
    # A pipe that the C handler writes to at once, whatever thread the signal meets and whatever lock that one holds.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)
    process = make(settings)
    process.start()
    print(process.ready, flush=True)
    while os.read(told, 1)[0] == signal.SIGHUP:
        process.reload()
    _log.info("stopping: the tasks that run have up to %s s", settings.stop_s)
    # Whatever hangs, a library's thread or the kernel: the end comes, and it loses no more than SIGKILL does.
    watchdog = threading.Timer(settings.stop_s + _STOP_MARGIN_S, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()
    if not process.stop():
        _log.warning("a task did not come to its end; it runs again at the next start, or in another worker")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)  # Python would wait for the task's thread, for ever if its head hangs


def _noted(_number: int, _frame: object) -> None:
    """Do nothing: the pipe has the signal's number."""

"""Run the service: settings, store, engine, jobs and front wired together, until a signal ends it.

SIGTERM and SIGINT stop it: no more requests, the tasks that run come to their end within `stop_s`, and what is
unfinished goes on at the next start. SIGHUP reads the certificates again. SIGKILL at any time loses no job.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from lunops import inventory as inventories
from lunops import settings as settings_files
from lunops.connections import connect
from lunops.engine import Engine
from lunops.errors import CertificateError, InventoryError, LunopsError, SettingsError
from lunops.inventory import Inventory
from lunops.jobs import Jobs, Outside, SteadyClock
from lunops.resources import load_templates
from lunops.settings import Settings
from lunops.store import Store
from lunops.web.app import make_app
from lunops.web.front import Front, FrontLimits

_STOP_MARGIN_S = 20.0  # for all that is not a task: connections, the engine's threads, Python's own end

_log = logging.getLogger("lunops.serve")


class Service:
    """All of it, in threads of its own. Start it once and stop it once."""

    def __init__(self, settings: Settings) -> None:
        """Read and open what the settings name; nothing runs yet. Raises LunopsError."""
        self._settings = settings
        self.inventory = LiveInventory(settings.inventory)
        with ExitStack() as undo:
            self._store = Store(settings.store)
            undo.callback(self._store.close)
            outside = Outside(
                inventory=self.inventory, templates=load_templates(), connect=connect, clock=SteadyClock()
            )
            self._jobs = Jobs(self._store, outside)
            self._front = Front(
                make_app(self._jobs, items_max=settings.items_max, body_max_bytes=settings.body_max_bytes),
                listen=settings.listen,
                certificate=settings.certificate,
                key=settings.key,
                client_ca=settings.client_ca,
                limits=FrontLimits(workers=settings.workers, body_bytes=settings.body_max_bytes),
            )
            undo.pop_all()
        self._engine = Engine(
            file=settings.store.with_name(f"{settings.store.stem}-engine{settings.store.suffix}"),
            work=self._jobs.run,
            poll_s=settings.poll_s,
            heads_at_once=settings.heads_at_once,
        )

    def start(self) -> None:
        """Go on with unfinished jobs and take requests. Raises SettingsError if it cannot listen."""
        self._engine.start()
        self._jobs.start(self._engine)
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
    def address(self) -> str:
        """Where it answers, as a URL."""
        host, _ = self._settings.listen
        return f"https://{f'[{host}]' if ':' in host else host}:{self._front.port}"

    def _stop_jobs(self) -> bool:
        self._jobs.stop()
        ended = self._engine.stop(self._settings.stop_s)
        if ended:
            self._store.close()
        return ended


class LiveInventory:
    """The inventory as its file is now. While the file is wrong, the last good one holds."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises InventoryError."""
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._inventory = self._read()

    def __call__(self) -> Inventory:
        """Return the inventory; read the file again if it has changed."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                try:
                    self._inventory = self._read()
                    _log.info("read the inventory again: %d heads", len(self._inventory.hosts))
                except InventoryError as error:
                    _log.error("the inventory stays as it was: %s", error)
            return self._inventory

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> Inventory:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InventoryError(
                f"the inventory cannot be read: {error}", where=str(self._path), fix="name a file that may be read"
            ) from error
        return inventories.parse(text, self._path)


def serve(config: Path) -> None:
    """Run the service until SIGTERM or SIGINT; print one line when it is ready. Raises LunopsError."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("paramiko").setLevel(logging.WARNING)
    settings = settings_files.read(config)
    if not settings.store.parent.is_dir():
        raise SettingsError(
            f"there is no folder {settings.store.parent} for the store", where=f"{config}: store", fix="make it first"
        )
    # A pipe that the C handler writes to at once, whatever thread the signal meets and whatever lock that one holds.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)
    service = Service(settings)
    service.start()
    heads = len(service.inventory().hosts)
    print(
        f"lunops is ready: {service.address} (store {settings.store}, {heads} head{'' if heads == 1 else 's'})",
        flush=True,
    )
    while os.read(told, 1)[0] == signal.SIGHUP:
        service.reload()
    _log.info("stopping: the tasks that run have up to %s s", settings.stop_s)
    # Whatever hangs, a library's thread or the kernel: the end comes, and it loses no more than SIGKILL does.
    watchdog = threading.Timer(settings.stop_s + _STOP_MARGIN_S, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()
    if not service.stop():
        _log.warning("a task did not come to its end; it runs again at the next start")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)  # Python would wait for the task's thread, for ever if its head hangs


def _noted(_number: int, _frame: object) -> None:
    """Do nothing: the pipe has the signal's number."""

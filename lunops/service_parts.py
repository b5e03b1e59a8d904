"""What is made from the service's settings, whoever needs it: the service, a worker, or a command over the store."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from lunops import inventory as inventories
from lunops.connections import Session, Timeouts, connect
from lunops.errors import InventoryError
from lunops.inventory import Inventory
from lunops.jobs import Limits, Outside, SteadyClock
from lunops.model import Host
from lunops.resources import load_templates
from lunops.settings import Settings

# A job whose names another run holds goes back to its line; an agent whose worker was stopped gives its names up.
_TIMEOUTS = Timeouts(lock_wait_s=5.0, quiet_s=15.0)
_log = logging.getLogger("lunops.serve")


def outside(inventory: LiveInventory) -> Outside:
    """Return the world as it is."""
    return Outside(inventory=inventory, templates=load_templates(), connect=_connect, clock=SteadyClock())


def limits(settings: Settings) -> Limits:
    """Return the bounds of what is accepted."""
    return Limits(
        queue_max=settings.queue_max,
        queue_max_per_client=settings.queue_max_per_client,
        deadline_s=settings.deadline_s,
        priorities=settings.priorities,
    )


def _connect(host: Host) -> Session:
    return connect(host, timeouts=_TIMEOUTS)


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

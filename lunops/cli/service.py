"""What commands over a service's store share: its settings, the store, and finding a job by the start of its id."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lunops.errors import JobError, SettingsError

if TYPE_CHECKING:
    from lunops.inventory import Inventory
    from lunops.jobs import Jobs
    from lunops.settings import Settings
    from lunops.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def service_option(command: F) -> F:
    """Give a command the option --config."""
    option = click.option(
        "--config",
        default="lunops.toml",
        show_default=True,
        envvar="LUNOPS_SERVICE_CONFIG",
        show_envvar=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="The service's settings.",
    )
    return option(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")


@dataclass(frozen=True, kw_only=True)
class Access:
    """A service's store, opened by a command."""

    settings: Settings
    store: Store

    @cached_property
    def jobs(self) -> Jobs:
        """What accepts and cancels jobs; it needs the inventory, which looking at jobs does not. Raises InputError."""
        from lunops.jobs import Jobs
        from lunops.service_parts import LiveInventory, limits, outside

        return Jobs(self.store, outside(LiveInventory(self.settings.inventory)), limits=limits(self.settings))

    @property
    def inventory(self) -> Inventory:
        """The present inventory."""
        return self.jobs.inventory

    def job_id(self, start: str) -> str:
        """Return the one id that begins so. Raises JobError if there is none, or more than one."""
        found = self.store.ids_like(start.strip().lower()) if start.strip() else []
        if not found:
            raise JobError(f"there is no job {start!r}", fix="see: lunops jobs list")
        if len(found) > 1 and start not in found:
            shown = ", ".join(found)
            raise JobError(f"{start!r} is the start of several jobs: {shown}", fix="write more of it")
        return found[0]


@contextmanager
def opened(config: Path, *, may_be_new: bool = False) -> Iterator[Access]:
    """Open the store that the settings name, which is there unless it may be new. Raises SettingsError."""
    from lunops import settings as settings_files
    from lunops.store import Store
    from lunops.store.database import checked_url
    from lunops.store.migrate import is_there

    settings = settings_files.read(config)
    settings_files.check_store(settings, config)
    if not may_be_new and not is_there(settings.store):
        shown = checked_url(settings.store).render_as_string(hide_password=True)
        raise SettingsError(
            f"there is no store at {shown}", where=f"{config}: store", fix="start the service, which makes it"
        )
    store = Store(settings.store)
    try:
        yield Access(settings=settings, store=store)
    finally:
        store.close()


def who() -> str:
    """Return who gives the command, as the record of a job names it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"CN={name} (lunops on {os.uname().nodename})"

"""What commands over a service's store share: its settings, the store, and finding a job by the start of its id."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
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
_SHORT = 8  # letters of an id: nearly always enough
_NAMED = 20  # jobs whose ids begin alike


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
        wanted = start.strip().lower()
        found = self.store.ids_like(wanted, _NAMED + 1) if wanted else []
        if not found:
            raise no_job(start)
        if len(found) > 1 and wanted not in found:
            shown = ", ".join(found[:_NAMED]) + (" and more" if len(found) > _NAMED else "")
            raise JobError(f"{start!r} is the start of several jobs: {shown}", fix="write more of it")
        return wanted if wanted in found else found[0]

    def short(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return for each of these ids the start that tells it from all others, eight letters at least."""
        alike: dict[str, list[str]] = {}
        for other in self.store.ids_beginning([job_id[:_SHORT] for job_id in job_ids]):
            alike.setdefault(other[:_SHORT], []).append(other)
        return {job_id: _short(job_id, alike.get(job_id[:_SHORT], ())) for job_id in job_ids}


def _short(job_id: str, alike: Sequence[str]) -> str:
    length = _SHORT
    while any(other != job_id and other.startswith(job_id[:length]) for other in alike):
        length += 1
    return job_id[:length]


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


def no_job(name: str) -> JobError:
    """Return the error of a job that is not there, or not any more."""
    return JobError(f"there is no job {name!r}", fix="see: lunops jobs list")


def who() -> str:
    """Return who gives the command, as the record of a job names it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"CN={name} (lunops on {os.uname().nodename})"

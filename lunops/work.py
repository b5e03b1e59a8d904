"""A worker with its engine and its lock, as the settings want them: in the service's process, or in one of its own."""

from __future__ import annotations

from pathlib import Path

from lunops.engine import Engine
from lunops.engine_place import engine_url
from lunops.jobs import Outside, Pacing, Worker
from lunops.lives import DatabaseLives, FileLives
from lunops.settings import Settings
from lunops.store import Store

_SILENT_S = 1.5  # a worker whose connection to the database broke for a moment is not dead


class Work:
    """Start it once and stop it once."""

    def __init__(self, settings: Settings, store: Store, outside: Outside) -> None:
        """Nothing runs yet."""
        self._stop_s = settings.stop_s
        self.labels = settings.labels
        url = engine_url(store.database)
        lives = FileLives(Path(f"{url.database}.lives")) if store.database.is_sqlite else DatabaseLives(url)
        labels = settings.labels or ("",)
        self._worker = Worker(
            store,
            outside,
            lives,
            labels=labels,
            pacing=Pacing(
                poll_s=settings.poll_s,
                silent_s=0.0 if store.database.is_sqlite else _SILENT_S,
                lease_s=settings.lease_s,
                jobs_per_head=settings.jobs_per_head,
                keep_days=settings.keep_days,
                keep_jobs=settings.keep_jobs,
            ),
        )
        self._engine = Engine(
            url=url.render_as_string(hide_password=False),
            worker=lives.own,
            work=self._worker.run,
            labels=labels,
            poll_s=settings.poll_s,
            at_once=settings.heads_at_once,
        )

    @property
    def name(self) -> str:
        """What people call the worker."""
        return self._worker.name

    def start(self) -> None:
        """Go on with unfinished jobs, and take new ones."""
        self._worker.register()
        self._engine.start()
        self._worker.start(self._engine)

    def wake(self) -> None:
        """Look for new jobs now."""
        self._worker.wake()

    def stop(self) -> bool:
        """Begin no more; return whether all that runs came to its end in time."""
        self._worker.end_loops()
        ended = self._engine.stop(self._stop_s)
        if ended:
            self._worker.stop()  # otherwise a task still runs: stay alive for others until this process is gone
        return ended

"""The template files at hand, rendered to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jinja2 import FunctionLoader, TemplateNotFound

from lunops.errors import NotYetKnownError, TemplateError
from lunops.model import Json
from lunops.near import hint
from lunops.render.environment import Filter, environment
from lunops.render.explain import explained
from lunops.render.scope import run


class Templates:
    """The template files at hand, by name."""

    def __init__(self, sources: Mapping[str, str], filters: Mapping[str, Filter] | None = None) -> None:
        self._sources = dict(sources)
        self._environment = environment(FunctionLoader(self._load), filters)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all templates, sorted."""
        return tuple(sorted(self._sources))

    def render(self, name: str, variables: Mapping[str, Json]) -> str:
        """Return the template's text with the variables filled in; raises `TemplateError` with file and line."""
        try:
            template = self._environment.get_template(name)
            try:
                return "".join(run(template, variables))
            except Exception:
                self._environment.handle_exception()  # raises it again, with the lines of the template's source
                raise
        except NotYetKnownError:
            raise
        except TemplateNotFound as error:
            missing_name = str(error.name or name)
            raise TemplateError(
                f"there is no template {missing_name!r}",
                where="" if missing_name == name else name,
                fix=hint(missing_name, self._sources, "templates"),
            ) from error
        except Exception as error:
            raise explained(error, variables, name, self._environment, self._sources) from error

    def _load(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        source = self._sources.get(name)
        return None if source is None else (source, name, lambda: True)

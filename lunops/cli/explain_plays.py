"""`lunops explain` with a playbook: what a variable is in each play, from the inventory up to `-e`.

The order is that of `lunops.planner.variables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from lunops.cli.explain import RUN_TIME, explain, names_of, origin_lines
from lunops.cli.hidden_errors import masked_errors
from lunops.cli.inputs import Book, Reader, read_book, read_inventory
from lunops.cli.run_options import Options
from lunops.cli.variables import extra_variables
from lunops.cli.vault import ask
from lunops.errors import InventoryError, LunopsError, PlaybookError
from lunops.inventory import Inventory, Origin
from lunops.mask import Mask
from lunops.model import Host, Json
from lunops.modules.facts import FACT_NAMES
from lunops.near import hint
from lunops.planner.prepare import filters_of
from lunops.planner.variables import PlayVariables, Variables
from lunops.playbook.model import Play, TaskSpec
from lunops.playbook.walk import tasks_of
from lunops.render import Expressions
from lunops.vault_keys import KeySources, VaultReader, load_keys
from lunops.yaml_source import read as read_yaml

_GATHER = ("facts", "setup")


def explain_command(options: Options, name: str, host: str) -> int:
    """Print what a variable of a head is, and where it comes from; raises `InputError`."""
    mask = Mask()
    with masked_errors(mask):
        if options.plan is not None:
            book = read_book(options, mask)
            lines = explain_plays(book, name, host, _extra(options, book.reader))
        else:
            reader = Reader(VaultReader(load_keys(options.keys or KeySources(), ask), mask))
            inventory = read_inventory(options, None, reader)
            lines = explain(inventory, name, host, extra=_extra(options, reader))
        for line in lines:
            click.echo(mask.text(line))
    return 0


def explain_plays(book: Book, name: str, host: str, extra: Sequence[Origin]) -> Iterator[str]:
    """Give lines for each play that a head is in; raises `InputError` where it is in none, or nothing gives it."""
    strongest = [each for each in extra if each.name == name]
    known = {each.name: each.value for each in extra}
    found = book.inventory.host(host)
    plays = [play for play in book.playbook.plays if _is_in(book, play, host, known)]
    if not plays:
        fix = hint(host, (each for play in book.playbook.plays for each in book.heads_of(play)), "heads of its plays")
        raise InventoryError(f"{host} is in no play of {book.playbook.path}", where=book.inventory.path, fix=fix)
    said = []
    learnt: list[Origin] = []
    for number, play in enumerate(plays):
        view = _View(book, found, number, known)
        learnt += [each for spec in tasks_of(play) for each in _learnt(spec, name)]
        always = [*book.inventory.origins_of(host, names_of(name)), *view.of_play(play, name)]
        sometimes = [*_of_tasks(play, name), *learnt, *_of_loops(play, name)]
        said.append((play, always, sometimes))
    if not strongest and not any(always or sometimes for _play, always, sometimes in said):
        yield from _given_by_inventory(book.inventory, name, host, _names(plays))
        return
    for place, (play, always, sometimes) in enumerate(said):
        if place:
            yield ""
        yield f"PLAY [{play.name}]  {play.where.get('', book.playbook.path)}"
        origins = [*always, *sometimes, *strongest]
        if strongest or always:
            counts = strongest[-1] if strongest else always[-1]
            yield from origin_lines(name, host, origins, counts=counts)
        elif sometimes:
            nothing = Origin(name=name, value=RUN_TIME, layer="given nowhere else", where="")
            yield from origin_lines(name, host, [nothing, *sometimes], counts=nothing)
        else:
            yield f"{name} of {host} is not given in this play"


def _given_by_inventory(inventory: Inventory, name: str, host: str, known: list[str]) -> Iterator[str]:
    """Give what the inventory alone says of a variable; a play's names may be the nearest ones."""
    try:
        yield from explain(inventory, name, host)
    except InventoryError as error:
        fix = hint(name, [*known, *inventory.host(host).variables], "variables")
        raise InventoryError(error.what, where=error.where, fix=fix) from None


def _is_in(book: Book, play: Play, host: str, extra: Mapping[str, Json]) -> bool:
    hosts = play.hosts
    if "{{" in hosts:
        hosts = str(Expressions().value(hosts, {**play.variables, **extra}, play.place("hosts")))
    return host in book.heads_of(replace(play, hosts=hosts))


class _View:
    """What a play of a playbook gives to one head."""

    def __init__(self, book: Book, host: Host, number: int, extra: Mapping[str, Json]) -> None:
        self._book = book
        self._host = host
        self._number = number
        self._expressions = Expressions(filters_of(book.inventory))
        self._variables = Variables(book.inventory, extra, self._expressions)

    def of_play(self, play: Play, name: str) -> Iterator[Origin]:
        """Give the play's own places, the weakest first: facts, `vars`, `vars_files`."""
        gathers = play.gather_facts or any(spec.module in _GATHER for spec in tasks_of(play))
        if name in FACT_NAMES and gathers:
            yield Origin(name=name, value=RUN_TIME, layer="facts of the head", where="")
        if name in play.variables:
            where = play.where.get(f"vars.{name}", play.where.get("vars", ""))
            yield Origin(name=name, value=play.variables[name], layer="vars of the play", where=where)
        own = PlayVariables(play=play, number=self._number)
        for file in play.vars_files:
            try:
                path = str(self._expressions.value(file.path, self._variables.of(self._host, own), file.where))
            except LunopsError:
                yield Origin(name=name, value=RUN_TIME, layer=f"perhaps vars_files {file.path}", where=file.where)
                continue
            whole = self._book.path.parent / path
            source = read_yaml(self._book.reader.text(whole), str(whole), PlaybookError)
            if isinstance(source.value, dict) and name in source.value:
                yield Origin(
                    name=name, value=source.value[name], layer="vars_files of the play", where=source.where(name)
                )


def _of_tasks(play: Play, name: str) -> Iterator[Origin]:
    """Give the `vars` of tasks, and of the blocks around them, each once."""
    found: dict[str, list[TaskSpec]] = {}
    for spec in tasks_of(play):
        if name in spec.variables:
            found.setdefault(spec.where.get(f"vars.{name}", spec.where.get("", "")), []).append(spec)
    for where, specs in found.items():
        more = f" and {len(specs) - 1} more" if len(specs) > 1 else ""
        layer = f"vars, in the task {specs[0].name!r}{more}"
        yield Origin(name=name, value=specs[0].variables[name], layer=layer, where=where)


def _learnt(spec: TaskSpec, name: str) -> Iterator[Origin]:
    if spec.module == "set_fact" and name in spec.args:
        where = spec.where.get(f"args.{name}", spec.where.get("", ""))
        yield Origin(name=name, value=RUN_TIME, layer=f"set_fact, from the task {spec.name!r} on", where=where)
    if spec.register == name:
        where = spec.where.get("register", spec.where.get("", ""))
        yield Origin(name=name, value=RUN_TIME, layer=f"register, from the task {spec.name!r} on", where=where)


def _of_loops(play: Play, name: str) -> Iterator[Origin]:
    for spec in tasks_of(play):
        if spec.loop and name in (spec.loop.item, spec.loop.index):
            where = spec.where.get("loop", spec.where.get("", ""))
            yield Origin(name=name, value=RUN_TIME, layer=f"loop, in the task {spec.name!r}", where=where)


def _names(plays: list[Play]) -> list[str]:
    """Return all names that plays and their tasks give."""
    found = [name for play in plays for name in play.variables]
    for play in plays:
        for spec in tasks_of(play):
            found += [*spec.variables, *([spec.register] if spec.register else [])]
            found += spec.args if spec.module == "set_fact" else ()
    return found


def _extra(options: Options, reader: Reader) -> list[Origin]:
    """Return what `-e` gives, the last of a name being the one that counts."""
    found = []
    for word in options.extra_vars:
        places: Mapping[str, str] = {}
        if word.startswith("@"):
            path = Path(word[1:]).expanduser()
            source = read_yaml(reader.text(path), str(path), PlaybookError)
            places = {name: source.where(name) for name in source.value} if isinstance(source.value, dict) else {}
        for name, value in extra_variables([word], reader.text).items():
            found.append(Origin(name=name, value=value, layer="-e", where=places.get(name, "")))
    return found

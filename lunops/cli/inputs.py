"""Read all that a run is made from: playbook, inventory, variables, templates; and remember what was read."""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from lunops import inventory_files
from lunops.cli.run_options import Options
from lunops.cli.variables import extra_variables, object_of
from lunops.cli.vault import ask
from lunops.errors import InputError, InventoryError, LunopsError, PlaybookError
from lunops.inventory import Inventory
from lunops.mask import Mask
from lunops.model import Host, Json
from lunops.near import hint
from lunops.planner.prepare import Prepared, prepare
from lunops.playbook.model import Play, Playbook
from lunops.playbook.reader import read_playbook
from lunops.playbook.reveal import revealed
from lunops.playbook.select import select
from lunops.render import Templates
from lunops.resources import FolderFiles, load_templates, playbook_folder
from lunops.together import raise_all
from lunops.vault_keys import KeySources, VaultReader, load_keys, read_raw
from lunops.yaml_source import read as read_yaml


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that a run is made from."""

    path: Path  # the playbook's
    inventory: Inventory
    prepared: Prepared
    templates: Templates
    files: FolderFiles
    extra: Mapping[str, Json]
    said: Mapping[str, Json]  # names that lunops gives to every task
    mask: Mask
    run: str  # the mark of whose work it is
    become_password: str = field(default="", repr=False)  # put into a host when it is connected to, and not before
    digests: Mapping[str, str] = field(default_factory=dict)  # every file that was read → SHA-256 of it


class Reader:
    """Reads files, encrypted or not, and notes their digests."""

    def __init__(self, vault: VaultReader) -> None:
        self.vault = vault
        self.digests: dict[str, str] = {}

    def text(self, path: Path) -> str:
        data = read_raw(path)
        # Of the file as it is on disk: a digest of what was encrypted would let a short secret be guessed. And found
        # again whatever the file is called by the next run: a run is gone on with by its playbook's whole path.
        self.digests[str(path.resolve())] = hashlib.sha256(data).hexdigest()
        return self.vault.text_of(data, path)


@dataclass(frozen=True, kw_only=True)
class Book:
    """A playbook with the tasks that are chosen, and the heads that may take part."""

    path: Path
    playbook: Playbook
    inventory: Inventory
    limit: tuple[str, ...] | None
    mask: Mask
    reader: Reader

    def heads_of(self, play: Play) -> list[str]:
        """Return the names of a play's heads."""
        hosts = [host.name for host in self.inventory.select(play.hosts)]
        return hosts if self.limit is None else [name for name in hosts if name in self.limit]


def read_book(options: Options, mask: Mask | None = None) -> Book:
    """Read playbook and inventory; raises `InputError`. What was encrypted is added to the mask."""
    mask = Mask() if mask is None else mask
    reader = Reader(VaultReader(load_keys(options.keys or KeySources(), ask), mask))
    if options.plan is None:
        raise PlaybookError("there is no playbook", fix="name one: a file, or one that ships with lunops")
    path = find_playbook(options.plan)
    errors: list[LunopsError] = []
    playbook = inventory = None
    try:
        playbook = read_playbook(reader.text(path), str(path), lambda name: reader.text(Path(name)))
    except InputError as error:
        errors.append(error)
    try:
        inventory = read_inventory(options, path.parent, reader)
    except InputError as error:
        errors.append(error)
    raise_all(errors)
    assert playbook is not None
    assert inventory is not None
    limit = None
    if options.limit is not None:
        limit = tuple(host.name for host in inventory.select(options.limit, read=reader.text))
    chosen = select(playbook, tags=options.tags, skip_tags=options.skip_tags, start_at=options.start_at_task)
    return Book(path=path, playbook=chosen, inventory=inventory, limit=limit, mask=mask, reader=reader)


def read_inputs(options: Options, mask: Mask | None = None) -> Inputs:
    """Read all, and fill in what can be filled in; raises `InputError` with every error, and then nothing runs."""
    book = read_book(options, mask)
    folder = book.path.parent
    reader = book.reader
    extra = extra_variables(options.extra_vars, reader.text, reader.vault.reveal)
    templates = load_templates(folder / "templates", folder)
    files = FolderFiles(folder)
    run = str(uuid.uuid4())
    said: dict[str, Json] = {
        "playbook_dir": str(folder.resolve()),
        "inventory_dir": str(Path(book.inventory.path).parent),
        "inventory_file": book.inventory.path,
        "ansible_forks": options.forks,
        "ansible_verbosity": options.verbosity,
        "ansible_run_tags": list(options.tags) or ["all"],
        "ansible_skip_tags": list(options.skip_tags),
        "ansible_check_mode": options.check,
        "ansible_diff_mode": options.diff,
        **({} if options.limit is None else {"ansible_limit": options.limit}),
    }
    prepared = prepare(
        revealed(book.playbook, reader.vault.reveal),
        book.inventory,
        templates=templates,
        files=files,
        limit=book.limit,
        extra=extra,
        said=said,
        read_vars=lambda name, where: _variables(name, where, folder, reader),
        run=run,
    )
    password = become_password() if options.ask_become_pass and not options.lists else ""
    book.mask.add(password)
    return Inputs(
        path=book.path,
        inventory=book.inventory,
        prepared=prepared,
        templates=templates,
        files=files,
        extra=extra,
        said=said,
        mask=book.mask,
        run=run,
        become_password=password,
        digests={**reader.digests, **_digests(folder)},
    )


def become_password() -> str:
    """Ask for the password of sudo on the terminal; raises `InputError` where there is none."""
    if not sys.stdin.isatty():
        raise InputError(
            "there is no terminal to ask for sudo's password on",
            where="-K",
            fix="run it on a terminal, or let sudoers on the heads allow it without (NOPASSWD), and leave -K out",
        )
    answer: str = click.prompt("Password of sudo", hide_input=True, err=True, default="", show_default=False)
    return answer


def find_playbook(path: Path) -> Path:
    """Return the playbook's file: as it is named, else the one of this name that ships with lunops."""
    if path.exists():
        return path
    shipped = {each.name: each for each in sorted(playbook_folder().glob("*-*.yml"))}  # batch.yml holds variables
    for name in (path.name, f"{path.name}.yml"):
        if name in shipped and path.parent.name in ("", "playbooks"):
            return shipped[name]
    raise PlaybookError("there is no such file", where=str(path), fix=hint(path.name, shipped, "playbooks with lunops"))


def _digests(folder: Path) -> dict[str, str]:
    """Return the digests of what a playbook may take from its folder: templates and files."""
    found: dict[str, str] = {}
    paths = [*folder.glob("*.j2"), *(folder / "templates").glob("*.j2"), *(folder / "files").rglob("*")]
    for path in sorted(paths):
        if path.is_file():
            found[str(path.resolve())] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def read_inventory(options: Options, folder: Path | None, reader: Reader) -> Inventory:
    """Read the inventory, with what lies beside the playbook in its folder, if there is one; raises `InputError`."""
    if not options.inventory:
        raise InventoryError(
            "there is no inventory", where="-i", fix="name it with -i FILE, LUNOPS_INVENTORY, or in lunops-cli.toml"
        )
    found = inventory_files.load(options.inventory, playbook_folder=folder, read=reader.text)
    hosts = {name: _adjusted(host, options, reader.vault) for name, host in found.hosts.items()}
    localhost = found.localhost and _adjusted(found.localhost, options, reader.vault)
    return replace(found, hosts=hosts, localhost=localhost)


def _adjusted(host: Host, options: Options, vault: VaultReader) -> Host:
    """Return the host as the command line has it: what the inventory says of it wins, as in Ansible."""
    return replace(
        host,
        user=host.user or options.user or "",
        private_key=host.private_key or options.private_key,
        become=host.become or options.become or bool(options.become_user),
        become_user=host.become_user or options.become_user,
        variables=vault.reveal(dict(host.variables), f"the variables of {host.name}"),
    )


def _variables(name: str, where: str, folder: Path, reader: Reader) -> Mapping[str, Json]:
    path = folder / name
    if not path.is_file():
        near = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise PlaybookError(f"there is no file {name!r}", where=where, fix=hint(path.name, near, "files beside it"))
    value = read_yaml(reader.text(path), str(path), PlaybookError).value
    if value is None:
        return {}
    found: Mapping[str, Json] = reader.vault.reveal(object_of(value, str(path)), str(path))
    return found

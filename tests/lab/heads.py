"""Bring heads up and down, put them back to their ready state, pull their plug and boot them again."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.accel import find_accel
from tests.lab.access import Access, run_on_head, wait_for_ssh
from tests.lab.cache import lab_folder, say
from tests.lab.errors import LabError
from tests.lab.image import Image, build_image
from tests.lab.machine import head_name
from tests.lab.process import Process, end_process, is_alive
from tests.lab.ready import Ready, make_access, make_overlay, make_ready, start_head, state_key, wait_for_boot
from tests.lab.rootfs import tail
from tests.lab.seed import known_hosts_line, make_key
from tests.lab.state import Book, HeadState, LabState, free_ports, load_state, run_folder, state_locked

MOST_HEADS = 16
ANSWER_S = 120.0


def up(count: int = 1) -> list[Access]:
    """Make at least the first `count` heads run, and return how all heads are reached.

    A head that runs is left as it is, one that is off boots from the disks that it has, a new one is in its
    ready state. Builds what is missing first.
    """
    if not 1 <= count <= MOST_HEADS:
        raise LabError(f"{count} heads were asked for", fix=f"ask for 1 to {MOST_HEADS}")
    image = build_image()
    with state_locked():
        state = load_state()
        if not state.heads:
            accel = find_accel(image)
            state = LabState(image=image.key, accel=accel, states=state_key(accel))
        elif state.image != image.key:
            raise LabError("heads of another build of the lab are up", fix="run tests/lab/lab down first")
        off = [x.number for x in state.heads if not _runs(x)]
        cold = [x for x in off if (_disks(x) / "known_hosts").exists()]
        new = [x for x in range(1, count + 1) if all(x != y.number for y in state.heads)]
        for number in new:
            taken = {port for x in state.heads for port in (x.ports.ssh, x.ports.iscsi)}
            state = state.with_head(HeadState(number=number, ports=free_ports(taken), process=None))
        book = Book(state)
        _states_folder(state).mkdir(exist_ok=True)
        make_key(_login_key(state), "lunops lab")
        _start_all(book, [*new, *(x for x in off if x not in cold)], _start_ready)
        _start_all(book, cold, _start_cold)
    return [_access(book.state, x.number) for x in book.state.heads]


def down() -> list[str]:
    """End all heads, remove their disks and forget their ports; returns the names of those that ran."""
    with state_locked():
        state = load_state()
        ended = [head_name(x.number) for x in state.heads if _runs(x)]
        for head in state.heads:
            if head.process:
                end_process(head.process)
        shutil.rmtree(run_folder())
    return ended


def status() -> list[tuple[Access, bool]]:
    """Return the heads that `up` made, each with whether it runs."""
    state = load_state()
    return [(_access(state, x.number), _runs(x)) for x in state.heads]


def reset(name: str) -> Access:
    """Put a head back to its ready state, as if nothing had ever been done on it; it keeps its ports."""
    with state_locked():
        book = Book(load_state())
        head = _find(book.state, name)
        _stop(book, head.number)
        _start_all(book, [head.number], _start_ready)
    return _access(book.state, head.number)


def poweroff(name: str) -> Access:
    """Pull a head's plug: it ends at once, and its disks keep what the guest had flushed to them."""
    with state_locked():
        book = Book(load_state())
        head = _find(book.state, name)
        _stop(book, head.number)
    return _access(book.state, head.number)


def start(name: str) -> Access:
    """Boot a head that is off from its disks, and wait until its boot has ended; else do nothing."""
    with state_locked():
        book = Book(load_state())
        head = _find(book.state, name)
        if not _runs(head):
            _start_all(book, [head.number], _start_cold)
    return _access(book.state, head.number)


def find_access(name: str) -> Access:
    """Return how the head with this name is reached; raises LabError if it does not run."""
    state = load_state()
    head = _find(state, name)
    if not _runs(head):
        raise LabError(f"the head {name} is off", fix=f"run tests/lab/lab start {name}")
    return _access(state, head.number)


def image_in_use() -> Image:
    """Return the build that the heads which are up were made from; without any, this recipe's, built if need be."""
    state = load_state()
    return _image(state) if state.heads else build_image()


Starter = Callable[[Image, Book, int], None]


def _start_all(book: Book, numbers: Sequence[int], starter: Starter) -> None:
    """Start heads at once; raises the first error, when all of them are up or have failed."""
    if numbers:
        image = _image(book.state)
        with ThreadPoolExecutor(len(numbers)) as pool:
            futures = [pool.submit(starter, image, book, x) for x in numbers]
        for future in futures:
            future.result()


def _start_ready(image: Image, book: Book, number: int) -> None:
    started = time.monotonic()
    ready = make_ready(
        image,
        _states_folder(book.state),
        accel=book.state.accel,
        number=number,
        login_key=_login_key(book.state),
        ports=book.state.head(number).ports,
        note=_noter(book, number),
    )
    folder = _disks(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for disk in ("root", "pool"):
        make_overlay(ready.disk(disk), folder / f"{disk}.qcow2")
    access = _access(book.state, number)
    line = known_hosts_line(ready.host_key, address=access.address, port=access.port)
    Path(access.known_hosts).write_text(line, encoding="ascii")
    process = _start(image, book, number, ready, resume=True)
    try:
        wait_for_ssh(access, timeout_s=ANSWER_S, check=lambda: _check(process, number))
        # The guest's clock still stands at the time at which its state was saved.
        run_on_head(access, ["date", "-s", f"@{time.time():.3f}"], timeout_s=ANSWER_S)
    except LabError:
        end_process(process)
        raise
    say(f"{access.name}: ready and answering after {time.monotonic() - started:.1f} s")


def _start_cold(image: Image, book: Book, number: int) -> None:
    started = time.monotonic()
    access = _access(book.state, number)
    process = _start(image, book, number, Ready(folder=_states_folder(book.state) / access.name), resume=False)
    try:
        wait_for_boot(access, process, _disks(number))
    except LabError:
        end_process(process)
        raise
    say(f"{access.name}: booted after {time.monotonic() - started:.1f} s")


def _start(image: Image, book: Book, number: int, ready: Ready, *, resume: bool) -> Process:
    return start_head(
        image,
        _disks(number),
        accel=book.state.accel,
        number=number,
        seed=ready.seed,
        ports=book.state.head(number).ports,
        note=_noter(book, number),
        resume=ready.memory if resume else None,
    )


def _stop(book: Book, number: int) -> None:
    process = book.state.head(number).process
    if process:
        end_process(process)
    book.note(dataclasses.replace(book.state.head(number), process=None))


def _noter(book: Book, number: int) -> Callable[[Process], None]:
    return lambda process: book.note(dataclasses.replace(book.state.head(number), process=process))


def _check(process: Process, number: int) -> None:
    if not is_alive(process):
        raise LabError(f"QEMU ended:\n{tail(_disks(number) / 'qemu.log')}", where=head_name(number))


def _find(state: LabState, name: str) -> HeadState:
    for head in state.heads:
        if head_name(head.number) == name:
            return head
    names = ", ".join(head_name(x.number) for x in state.heads) or "none"
    raise LabError(f"there is no head {name!r}", fix=f"the heads are: {names}; tests/lab/lab up --heads N makes more")


def _runs(head: HeadState) -> bool:
    return head.process is not None and is_alive(head.process)


def _disks(number: int) -> Path:
    return run_folder() / head_name(number)


def _image(state: LabState) -> Image:
    # Heads that are up stay with the build that they were made from, whatever the recipe has become since.
    return Image(folder=lab_folder() / state.image, key=state.image)


def _states_folder(state: LabState) -> Path:
    return _image(state).folder / state.states


def _login_key(state: LabState) -> Path:
    return _states_folder(state) / "login"


def _access(state: LabState, number: int) -> Access:
    return make_access(
        number=number,
        ports=state.head(number).ports,
        key=_login_key(state),
        known_hosts=_disks(number) / "known_hosts",
    )

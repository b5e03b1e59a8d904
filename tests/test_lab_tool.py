"""The lab's own tool, as far as it needs no virtual machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.accel import find_accel
from tests.lab.access import Access, ssh_command, wait_for_ssh
from tests.lab.cache import lab_folder, locked, made_whole
from tests.lab.cli import inventory, main, table
from tests.lab.errors import LabError
from tests.lab.image import Image
from tests.lab.initrd import Entry, load_order, make_cpio
from tests.lab.machine import Ports, head_command, small_command
from tests.lab.mirror import Source, choose_mirror, parse_deb822, parse_lines
from tests.lab.nodes import NodeBoot, boot_node, find_marks
from tests.lab.process import Process, boot_id, end_process, is_alive, start_process
from tests.lab.qmp import Qmp
from tests.lab.recipe import FILES, image_key
from tests.lab.rootfs import run_logged
from tests.lab.seed import known_hosts_line, make_seed
from tests.lab.state import Book, HeadState, LabState, free_ports, load_state, save_state

LAB = Path(__file__).parent / "lab" / "lab"
IMAGE = Image(folder=Path("/cache/with, comma"), key="k")
PORTS = Ports(ssh=20022, iscsi=23260)
ACCESS = Access(
    name="jbod-01",
    address="127.0.0.1",
    port=20022,
    user="root",
    key="/cache/login",
    known_hosts="/cache/known_hosts",
    portal="127.0.0.1:23260",
    pool="jbod-01-p01",
    golden="jbod-01-p01/images/golden@1",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's own lab."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LUNOPS_LAB_ACCEL", raising=False)
    return tmp_path / "cache"


# -- the mirror


DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""


def test_the_mirror_is_the_one_of_this_machines_sources_with_updates_security_and_keyring() -> None:
    mirror = choose_mirror(parse_deb822(DEB822), "bookworm", "bookworm")

    assert mirror.lines == (
        "deb http://mirror.example/debian bookworm main contrib",
        "deb http://mirror.example/debian bookworm-updates main contrib",
        "deb http://mirror.example/debian-security/ bookworm-security main contrib",
    )
    assert mirror.keyrings == ("/usr/share/keyrings/debian-archive-keyring.gpg",)


def test_stanzas_that_are_disabled_or_have_no_binaries_are_left_out() -> None:
    assert [x.uris for x in parse_deb822(DEB822)] == [
        ("http://mirror.example/debian",),
        ("http://mirror.example/debian-security/",),
    ]


def test_a_key_that_stands_in_the_sources_file_is_read_as_one_field() -> None:
    text = (
        "Types: deb\nURIs: http://m/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN PGP\n .\n abc\n"
    )

    assert parse_deb822(text)[0].signed_by.splitlines()[0] == "-----BEGIN PGP"
    assert choose_mirror(parse_deb822(text), "bookworm", "trixie").keyrings == ()


def test_lines_of_the_old_format_are_read_with_and_without_options() -> None:
    text = (
        "deb http://mirror.example/debian trixie main non-free-firmware # why\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://other.example/apt trixie main\n"
        "#deb http://off.example/debian trixie main\n"
        "deb-src http://mirror.example/debian trixie main\n"
    )

    assert parse_lines(text) == [
        Source(uris=("http://mirror.example/debian",), suites=("trixie",), components=("main", "non-free-firmware")),
        Source(uris=("http://other.example/apt",), suites=("trixie",), components=("main",), signed_by="/k.gpg"),
    ]


def test_a_machine_of_another_release_gets_the_heads_release_from_its_own_mirror() -> None:
    sources = parse_lines("deb http://mirror.example/debian trixie main\n")

    assert choose_mirror(sources, "bookworm", "trixie").lines == (
        "deb http://mirror.example/debian bookworm main contrib",
    )


def test_a_strangers_repository_is_not_taken_for_debian() -> None:
    sources = parse_lines("deb [signed-by=/k.gpg] https://stranger.example/apt bookworm main\n")

    with pytest.raises(LabError, match="LUNOPS_LAB_MIRROR"):
        choose_mirror(sources, "bookworm", "bookworm")


# -- the recipe and what is made of it


@pytest.mark.parametrize("name", ["slim.sh", "finish.sh", "initrd-init", "golden/init", "guest/etc/fstab"])
def test_a_change_in_any_file_of_the_recipe_names_another_image(tmp_path: Path, name: str) -> None:
    files = tmp_path / "recipe"
    shutil.copytree(FILES, files, symlinks=True)
    assert image_key(files) == image_key()

    with (files / name).open("a") as file:
        file.write("# changed\n")

    assert image_key(files) != image_key()


def test_modules_are_loaded_after_what_they_need_and_built_in_ones_not_at_all() -> None:
    dep = (
        "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko\n"
        "kernel/fs/jbd2/jbd2.ko: kernel/lib/crc16.ko\n"
        "kernel/fs/mbcache.ko:\n"
        "kernel/lib/crc16.ko:\n"
        "kernel/drivers/block/virtio-blk.ko.xz:\n"
    )

    order = [x.rpartition("/")[2] for x in load_order(dep, ["virtio_blk", "built_in", "ext4"])]

    assert order == ["virtio-blk.ko.xz", "crc16.ko", "jbd2.ko", "mbcache.ko", "ext4.ko"]


def test_the_initrds_archive_has_every_entry_aligned_with_mode_content_and_device() -> None:
    archive = make_cpio(
        [
            Entry(path="bin", mode=0o40755),
            Entry(path="bin/odd", mode=0o100755, content=b"12345"),
            Entry(path="dev/console", mode=0o20600, device=(5, 1)),
        ]
    )

    assert list(read_cpio(archive)) == [
        ("bin", 0o40755, b"", (0, 0)),
        ("bin/odd", 0o100755, b"12345", (0, 0)),
        ("dev/console", 0o20600, b"", (5, 1)),
        ("TRAILER!!!", 0, b"", (0, 0)),
    ]


def read_cpio(archive: bytes) -> Iterator[tuple[str, int, bytes, tuple[int, int]]]:
    """Read "newc" as the kernel's Documentation/driver-api/early-userspace/buffer-format.rst lays it out."""
    at = 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name_at, size, name_size = at + 110, fields[6], fields[11]
        content_at = (name_at + name_size + 3) & ~3
        name = archive[name_at : name_at + name_size]
        assert name.endswith(b"\0")
        yield name[:-1].decode(), fields[1], archive[content_at : content_at + size], (fields[9], fields[10])
        at = (content_at + size + 3) & ~3


def test_the_seed_disk_has_a_heads_names_and_keys_with_their_owners_and_modes(tmp_path: Path) -> None:
    for name in ("login", "login.pub", "host_key", "host_key.pub"):
        (tmp_path / name).write_text(f"{name} of the test\n")

    seed = make_seed(tmp_path, number=2, login_key=tmp_path / "login")

    assert seed.stat().st_mode & 0o777 == 0o600
    with tarfile.open(seed) as tar:
        members = {x.name: (x.uid, x.mode) for x in tar}
        hostname = tar.extractfile("etc/hostname")
        assert hostname is not None
        assert hostname.read() == b"jbod-02\n"
    assert members["etc/ssh/ssh_host_ed25519_key"] == (0, 0o600)
    assert members["root/.ssh/authorized_keys"] == (0, 0o600)
    assert members["home/ops/.ssh"] == (1000, 0o700)
    assert members["home/ops/.ssh/authorized_keys"] == (1000, 0o600)
    assert not any("login" in x for x in members)


def test_known_hosts_names_address_and_port_of_the_head(tmp_path: Path) -> None:
    (tmp_path / "host_key.pub").write_text("ssh-ed25519 AAAAC3 jbod-01\n")

    line = known_hosts_line(tmp_path / "host_key.pub", address="127.0.0.1", port=20022)

    assert line == "[127.0.0.1]:20022 ssh-ed25519 AAAAC3\n"


# -- the machines


def head(number: int = 1, resume: Path | None = None) -> list[str]:
    return head_command(IMAGE, accel="tcg", number=number, seed=Path("/a,b/seed"), ports=PORTS, resume=resume)


def test_a_head_listens_on_loopback_only_and_reaches_nothing_outside() -> None:
    net = next(x for x in head() if x.startswith("user,"))

    assert net.count("hostfwd=") == net.count("hostfwd=tcp:127.0.0.1:") == 2
    assert "restrict=on" in net
    assert "127.0.0.1:20022-" in net
    assert "127.0.0.1:23260-" in net


def test_two_heads_differ_in_name_machine_id_hostid_and_hardware_address() -> None:
    one, two = (set(head(number)) for number in (1, 2))
    line_one, line_two = (next(x for x in words if "systemd.hostname" in x).split() for words in (one, two))

    different = [x.partition("=")[0] for x, y in zip(line_one, line_two, strict=True) if x != y]
    assert different == ["systemd.hostname", "systemd.machine_id", "spl.spl_hostid"]
    assert any("mac=52:54:00:6c:75:01" in x for x in one)
    assert any("mac=52:54:00:6c:75:02" in x for x in two)


def test_paths_with_commas_and_quotes_reach_qemu_whole() -> None:
    words = head(resume=Path("/it's/memory"))

    assert any("file=/a,,b/seed," in x for x in words)
    assert words[-1] == r"exec:cat '/it'\''s/memory'"
    assert "/cache/with, comma/vmlinuz" in words


def test_a_head_that_boots_cold_waits_for_no_saved_state() -> None:
    assert "-incoming" not in head()
    assert "-incoming" in head(resume=Path("/memory"))


def test_a_node_has_its_lun_as_its_only_disk_and_no_network() -> None:
    words = small_command(IMAGE, accel="tcg", append="x", drive="driver=raw")

    assert [x for x in words if x.startswith("id=root")] == ["id=root,if=none,driver=raw"]
    assert "-netdev" not in words


def test_kvm_is_neither_probed_nor_believed_where_the_environment_says_what_to_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUNOPS_LAB_ACCEL", "tcg")
    assert find_accel(IMAGE) == "tcg"

    monkeypatch.setenv("LUNOPS_LAB_ACCEL", "fast")
    with pytest.raises(LabError, match="'fast'"):
        find_accel(IMAGE)


# -- processes


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = start_process(["sleep", "60"], folder=tmp_path, log=tmp_path / "log")
    yield process
    end_process(process)


def test_a_process_is_alive_until_it_is_ended(sleeper: Process) -> None:
    assert is_alive(sleeper)

    end_process(sleeper)

    assert not is_alive(sleeper)
    end_process(sleeper)


def test_a_process_that_ends_by_itself_is_not_alive(tmp_path: Path) -> None:
    process = start_process(["sh", "-c", "echo gone; exit 3"], folder=tmp_path, log=tmp_path / "log")

    wait_until(lambda: not is_alive(process))

    assert (tmp_path / "log").read_text() == "gone\n"


def test_a_process_that_has_ended_and_that_its_parent_has_not_noticed_is_not_alive() -> None:
    script = "import subprocess, time; child = subprocess.Popen(['true']); print(child.pid, flush=True); time.sleep(60)"
    with ended(subprocess.Popen([sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE)) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        stat = Path(f"/proc/{pid}/stat")
        wait_until(lambda: stat.read_text().split()[2] == "Z")
        zombie = Process(pid=pid, started_ticks=int(stat.read_text().split()[21]), boot_id=boot_id())

        assert not is_alive(zombie)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kill a process at the end, whatever happens before."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("mistake", [{"started_ticks": 1}, {"boot_id": "another"}])
def test_a_stranger_that_has_got_the_pid_is_neither_taken_for_ours_nor_killed(
    sleeper: Process, mistake: dict[str, object]
) -> None:
    ours = replace(sleeper, **mistake)  # type: ignore[arg-type]  # one field of either type

    assert not is_alive(ours)
    end_process(ours)

    assert is_alive(sleeper)


# -- QMP


@contextmanager
def qemu_double(path: Path, replies: list[dict[str, object]]) -> Iterator[list[str]]:
    """Serve one QMP conversation on a unix socket: the greeting, then one of `replies` for each command."""
    asked: list[str] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    short = path.parent.parent / "short"
    with socket.socket(socket.AF_UNIX) as listener:
        # A link makes the address short enough to listen on; the client has only the long path.
        short.symlink_to(path.parent)
        listener.bind(str(short / path.name))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb", buffering=0) as file:
                file.write(b'{"QMP": {}}\n')
                for reply in [{"return": {}}, *replies]:
                    asked.append(json.loads(file.readline())["execute"])
                    file.write(b'{"event": "NOISE"}\n' + json.dumps(reply).encode() + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(10)
        assert not thread.is_alive()


def test_commands_reach_a_socket_whose_path_is_longer_than_an_address_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "qmp.sock"
    assert len(str(path)) > 108
    replies: list[dict[str, object]] = [{"return": {"status": "active"}}, {"return": {"status": "completed"}}]

    with qemu_double(path, replies) as asked, Qmp(path, timeout_s=10) as qmp:
        assert qmp.wait_for("query-migrate", until=("completed",), timeout_s=10) == "completed"

    assert asked == ["qmp_capabilities", "query-migrate", "query-migrate"]


def test_what_qemu_refuses_and_its_end_are_errors_with_its_words(tmp_path: Path) -> None:
    path = tmp_path / "d" / "qmp.sock"

    with qemu_double(path, [{"error": {"desc": "no such state"}}]) as asked, Qmp(path, timeout_s=10) as qmp:
        with pytest.raises(LabError, match="no such state"):
            qmp.run("cont")
        with pytest.raises((LabError, OSError)):
            qmp.run("cont")
    assert asked == ["qmp_capabilities", "cont"]


def test_a_machine_that_stays_in_a_wrong_state_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "d" / "qmp.sock"

    with (
        qemu_double(path, [{"return": {"status": "inmigrate"}}]),
        Qmp(path, timeout_s=10) as qmp,
        pytest.raises(LabError, match="'inmigrate' after 0 s"),
    ):
        qmp.wait_for("query-status", until=("running",), timeout_s=0)


# -- the cache and the state


def test_what_is_built_appears_whole_or_not_at_all_and_earlier_halves_go(cache: Path) -> None:
    target = lab_folder() / "thing"
    assert cache in target.parents
    left = target.parent / ".thing.left"
    left.mkdir()

    def break_off(draft: Path) -> None:
        (draft / "half").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), made_whole(target) as draft:
        break_off(draft)
    assert list(lab_folder().iterdir()) == []

    with made_whole(target) as draft:
        (draft / "whole").touch()
    assert [x.name for x in target.iterdir()] == ["whole"]
    assert [x.name for x in lab_folder().iterdir()] == ["thing"]


def test_a_second_command_waits_for_the_first_and_says_what_it_waits_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "lock"

    with (
        locked(lock, timeout_s=1, what="it builds"),
        pytest.raises(LabError, match="it builds"),
        locked(lock, timeout_s=0, what="it builds"),
    ):
        pass
    assert "waiting for another lab command" in capsys.readouterr().err
    with locked(lock, timeout_s=0, what="it builds"):
        pass


def test_the_state_is_kept_from_one_command_to_the_next() -> None:
    assert load_state() == LabState()
    process = Process(pid=7, started_ticks=8, boot_id="b")
    state = LabState(image="i", accel="tcg", states="s", heads=(HeadState(number=2, ports=PORTS, process=process),))

    book = Book(state)
    book.note(HeadState(number=1, ports=PORTS, process=None))
    book.note(HeadState(number=2, ports=PORTS, process=None))

    assert load_state() == book.state
    assert [(x.number, x.process) for x in load_state().heads] == [(1, None), (2, None)]


def test_a_state_that_cannot_be_read_is_an_error_that_names_the_file() -> None:
    save_state(LabState())
    path = lab_folder() / "run" / "state.json"
    path.write_text('{"heads": [{}]}')

    with pytest.raises(LabError, match=r"state\.json"):
        load_state()


def test_ports_for_a_head_are_two_that_can_be_listened_on_and_that_no_other_head_has() -> None:
    taken: set[int] = set()
    for _ in range(20):
        ports = free_ports(taken)
        assert len({ports.ssh, ports.iscsi} - taken) == 2
        taken |= {ports.ssh, ports.iscsi}


def test_ports_that_are_in_use_are_not_offered() -> None:
    with neighbouring_servers() as first, pytest.raises(LabError, match="no two free ports"):
        free_ports(set(), within=(first, first + 2))


@contextmanager
def neighbouring_servers() -> Iterator[int]:
    """Listen on two ports that follow each other, and give the first one."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as neighbour:
            port: int = server.getsockname()[1]
            try:
                neighbour.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            neighbour.listen()
            yield port
            return
    raise AssertionError("no two neighbouring ports are free")


# -- what a build runs


def test_a_step_of_the_build_that_fails_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"sh failed with status 3:\nthe reason"):
        run_logged(["sh", "-c", "echo the reason; exit 3"], log=tmp_path / "log", timeout_s=30)

    run_logged(["sh", "-c", "exit 0"], log=tmp_path / "log", timeout_s=30)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_step_of_the_build_that_is_late_ends_with_all_that_it_started(tmp_path: Path, deaf: bool) -> None:
    script = f"{'trap : INT;' if deaf else ''} sleep 60 & echo $!; while :; do wait; done"

    with pytest.raises(LabError, match="did not end"):
        run_logged(["sh", "-c", script], log=tmp_path / "log", timeout_s=0.5, interrupt_s=0.5)

    child = int((tmp_path / "log").read_text())
    wait_until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_build_that_outlives_the_one_who_asked_for_it_keeps_the_next_one_waiting(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock, timeout_s=0, what="it builds"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)

    with ended(child), pytest.raises(LabError), locked(lock, timeout_s=0, what="it builds"):
        pass
    with locked(lock, timeout_s=0, what="it builds"):
        pass


# -- reaching a head


@contextmanager
def server_that_says(words: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_head_answers_when_its_sshd_greets_and_not_when_something_takes_the_connection() -> None:
    with server_that_says(b"SSH-2.0-x\r\n") as port:
        wait_for_ssh(replace(ACCESS, port=port), timeout_s=10, check=lambda: None)

    with server_that_says(b"") as port, pytest.raises(LabError, match="no answer from sshd"):
        wait_for_ssh(replace(ACCESS, port=port), timeout_s=0.3, check=lambda: None)


def test_waiting_for_a_head_ends_as_soon_as_its_machine_has_ended() -> None:
    def check() -> None:
        raise LabError("QEMU ended")

    with pytest.raises(LabError, match="QEMU ended"):
        wait_for_ssh(ACCESS, timeout_s=60, check=check)


def test_ssh_trusts_the_labs_own_known_hosts_and_nothing_of_the_user() -> None:
    words = ssh_command(replace(ACCESS, known_hosts="/with space/known_hosts"), "zfs list; date", user="ops")

    assert words[:3] == ["ssh", "-F", "/dev/null"]
    assert 'UserKnownHostsFile="/with space/known_hosts"' in words
    assert {"StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "GlobalKnownHostsFile=/dev/null"} <= set(words)
    assert words[-7:] == ["-p", "20022", "-l", "ops", "127.0.0.1", "--", "zfs list; date"]


# -- the command line


def test_the_inventory_has_the_running_heads_with_all_that_lunops_needs_to_reach_them() -> None:
    text = inventory([ACCESS, replace(ACCESS, name="jbod-02", key="/with space/login")])

    assert text.splitlines() == [
        "[heads]",
        "jbod-01 connection=ssh host=127.0.0.1 port=20022 user=root private_key=/cache/login "
        "known_hosts=/cache/known_hosts pools=jbod-01-p01 portals=0.0.0.0:3260",
        'jbod-02 connection=ssh host=127.0.0.1 port=20022 user=root private_key="/with space/login" '
        "known_hosts=/cache/known_hosts pools=jbod-01-p01 portals=0.0.0.0:3260",
    ]


def test_the_table_lines_its_columns_up() -> None:
    lines = table([(ACCESS, True), (replace(ACCESS, name="jbod-100"), False)]).splitlines()

    assert [x.split()[1] for x in lines] == ["RUNS", "yes", "no"]
    assert len({x.index("127.0.0.1:2326") for x in lines[1:]} | {lines[0].index("PORTAL")}) == 1


def test_without_heads_status_is_empty_and_down_has_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["status"], "nothing is up\n"),
        (["status", "--json"], "[]\n"),
        (["inventory"], "[heads]\n"),
        (["down"], "nothing was up\n"),
    ):
        assert main(words) == 0
        assert capsys.readouterr().out == said


def test_a_running_head_is_listed_and_a_dead_one_is_listed_as_off(
    capsys: pytest.CaptureFixture[str], sleeper: Process
) -> None:
    heads = tuple(
        HeadState(number=number, ports=PORTS, process=process)
        for number, process in ((1, sleeper), (2, replace(sleeper, started_ticks=1)))
    )
    save_state(LabState(image="i", accel="tcg", states="s", heads=heads))

    assert main(["status", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(x["name"], x["running"]) for x in listed] == [("jbod-01", True), ("jbod-02", False)]
    assert set(listed[0]) == {*ACCESS.as_dict(), "running"}
    assert main(["inventory"]) == 0
    assert "jbod-02" not in capsys.readouterr().out

    assert main(["poweroff", "jbod-01"]) == 0
    assert not is_alive(sleeper)


@pytest.mark.parametrize("command", ["ssh", "reset", "poweroff", "start"])
def test_a_head_that_is_not_there_is_named_with_those_that_are(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "jbod-07"]) == 1
    assert "'jbod-07'; the heads are: none" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "17"])
def test_a_senseless_number_of_heads_is_refused_before_anything_is_built(
    capsys: pytest.CaptureFixture[str], cache: Path, count: str
) -> None:
    assert main(["up", "--heads", count]) == 1
    assert "ask for 1 to 16" in capsys.readouterr().err
    assert not cache.exists()


def test_the_command_runs_on_a_plain_python_without_installed_packages() -> None:
    run = subprocess.run([sys.executable, "-S", "-E", LAB, "status"], capture_output=True, text=True, timeout=60)

    assert (run.returncode, run.stdout, run.stderr) == (0, "nothing is up\n", "")


# -- nodes


def test_a_nodes_marks_are_found_between_kernel_messages() -> None:
    console = (
        "[ 1.0] x\nlunops-node: mark first\n[ 2.0] lunops-node: mark no\nlunops-node: mark second\nlunops-node: done\n"
    )

    assert find_marks(console) == ("first", "second")
    assert NodeBoot(console=console, marks=(), exit_status=0, seconds=1).booted
    assert not NodeBoot(console=console, marks=(), exit_status=1, seconds=1).booted
    assert not NodeBoot(console="", marks=(), exit_status=0, seconds=1).booted


@pytest.mark.parametrize("mark", ["", "two words", "x" * 65, "a,b"])
def test_a_mark_that_the_kernels_command_line_would_tear_is_refused(mark: str) -> None:
    with pytest.raises(LabError, match="cannot be a mark"):
        boot_node("127.0.0.1:1", "iqn.2024-01.org.example:t", "iqn.2024-01.org.example:i", mark=mark)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; the test's own time limit bounds it."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.02)

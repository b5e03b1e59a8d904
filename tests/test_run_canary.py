"""Secrets through the whole of `lunops run`, in all ways that they come in by and everything that it writes and starts.

Each secret begins with the same word, so that a part of it, or another encoding, is found as well.
"""

from __future__ import annotations

import base64
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lunops.vault import encrypt
from tests.support.started import Lunops, ended, interrupt, resume_name, soon

WORD = "c4nary"
PASSPHRASE = "open sesame"
# Quotes, blanks, markup, a slash, a backslash, letters beyond ASCII: each is written otherwise by some format.
SECRETS = {
    name: f'{WORD}-{name} "it\'s" <ü>/\\&$x'
    for name in ("file", "inline", "extra", "group", "chap", "stdin", "nolog", "loop")
}
SECRETS["chap"] = f"{WORD}-chap'<&$x"  # LIO takes ASCII alone
BASE64 = [base64.b64encode(bytes(shift) + WORD.encode()).decode()[(0, 2, 3)[shift] : 8] for shift in range(3)]
FORMS = [WORD, WORD.encode().hex(), *BASE64]


def found_in(text: str) -> list[str]:
    """Return which forms of a secret are in a text."""
    return [form for form in FORMS if form in text]


PLAYBOOK = """\
- name: "Secrets of {{ file_secret }}"
  hosts: here
  vars_files: [secrets.yml]
  vars:
    inline_secret: !vault |
INLINE
    no_log_secret: "{{ lookup_free }}"
  tasks:
    - name: "Say {{ file_secret }}"
      debug: {msg: ["{{ file_secret }}", "{{ inline_secret }}", "{{ extra_secret }}", "{{ group_secret }}"]}
    - name: All of it in other forms
      debug:
        msg:
          - "{{ {'k': file_secret} | to_json }}"
          - "{{ inline_secret | b64encode }}"
          - "{{ ('user:' ~ group_secret) | b64encode }}"
          - "{{ extra_secret | urlencode }}"
    - name: A fact
      set_fact: {derived: "{{ file_secret }} and {{ inline_secret }}"}
    - name: Given on standard input
      command: {cmd: cat, stdin: "{{ stdin_secret }}"}
      register: echoed
    - name: Say what was registered
      debug: {var: echoed}
    - name: Standard error
      command: {argv: [sh, -c, "cat >&2; exit 3"], stdin: "{{ stdin_secret }}"}
      ignore_errors: true
    - name: It is slow, with the secret at work
      command: {argv: [sh, -c, "cat >/dev/null; sleep 1"], stdin: "{{ stdin_secret }}"}
    - name: A template
      template: {src: secret.j2, dest: "FOLDER/made/template", mode: "0600"}
    - name: A file
      copy: {content: "{{ group_secret }} again\\n", dest: "FOLDER/made/copy", mode: "0600"}
    - name: A loop over secrets
      debug: {msg: "{{ item.name }}"}
      loop: [{name: one, key: "{{ file_secret }}"}, {name: two, key: "{{ extra_secret }}"}]
    - name: A loop that nobody sees
      command: {cmd: cat, stdin: "{{ item }}"}
      loop: ["PLAINLOOP"]
      no_log: true
      register: unseen
    - name: What is not shown is registered all the same
      assert: {that: ["unseen.results[0].stdout == item"], quiet: true}
      loop: ["PLAINLOOP"]
      no_log: true
    - name: A failure that quotes a secret
      assert: {that: ["'x' == file_secret"], fail_msg: "it is {{ file_secret }} and {{ inline_secret }}"}
      ignore_errors: true
    - name: A value that the module refuses, and quotes
      wait_for: {port: "{{ echoed.stdout }}"}
      ignore_errors: true
    - name: Fail that nobody sees
      fail: {msg: "{{ unseen.results[0].stdout }}"}
      no_log: true
      ignore_errors: true
    - name: Fail with {{ extra_secret }}
      fail: {msg: "{{ derived }}"}
      ignore_errors: true
- name: CHAP
  hosts: simulated
  vars_files: [secrets.yml]
  tasks:
    - name: Discovery
      lio_discovery: {enable: true, userid: u, password: "{{ chap_secret }}"}
    - name: A target whose portal the head does not take
      lio_fragment:
        fragment:
          storage_objects:
            - {plugin: fileio, name: f, dev: /srv/f.img, size: 1048576, wwn: 0b5e2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11}
          targets:
            - fabric: iscsi
              wwn: iqn.2024-01.org.example:t
              tpgs:
                - tag: 1
                  luns: [{index: 0, storage_object: /backstores/fileio/f}]
                  portals: [{ip_address: 10.0.0.1, port: 3260, iser: true}]
                  node_acls:
                    - {node_wwn: "iqn.2024-01.org.example:i", chap_userid: u, chap_password: "{{ chap_secret }}",
                       mapped_luns: [{index: 0, tpg_lun: 0}]}
"""


@pytest.fixture
def lunops(tmp_path: Path) -> Iterator[Lunops]:
    made = Lunops(tmp_path)
    made.write("pass", PASSPHRASE).chmod(0o600)

    def sealed(text: str) -> str:
        return encrypt(text.encode(), PASSPHRASE.encode(), salt=os.urandom(32))

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def variables(*names: str) -> str:
        return sealed("".join(f"{name}_secret: {quoted(SECRETS[name])}\n" for name in names))

    made.write("secrets.yml", variables("file", "stdin"))
    made.write("extra.yml", variables("extra"))
    made.write("inventory/group_vars/all/vault.yml", variables("group", "chap"))
    made.write(
        "inventory/hosts",
        f"here connection=local python={sys.executable}\n"
        f"simulated connection=sim pools=tank state={tmp_path}/head.sim\n",
    )
    made.write("templates/secret.j2", "password = {{ file_secret }}\n")
    (tmp_path / "made").mkdir()
    inline = "".join(f"      {line}\n" for line in sealed(SECRETS["inline"]).splitlines())
    text = PLAYBOOK.replace("INLINE\n", inline).replace("FOLDER", str(tmp_path))
    text = text.replace('    no_log_secret: "{{ lookup_free }}"\n', "")
    # What no_log alone hides is in no vault, and in a file that only this test reads as a source.
    made.write("plan.yml", text.replace("PLAINLOOP", "{{ plain_loop }}"))
    yield made
    made.close()


class Watch:
    """Looks at the command lines and environments of all processes, for as long as it lasts."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.bad: set[str] = set()
        self.looked = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            for each in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        text = (each / name).read_bytes().decode("utf-8", "replace")
                    except OSError:
                        continue
                    self.looked += 1
                    if found_in(text):
                        self.bad.add(text)


WORDS = ("run", "plan.yml", "-i", "inventory", "--vault-password-file", "pass", "-e", "@extra.yml", "-e", "@plain.json")
TARGETS = {"head.sim", "head.sim-wal", "made/template", "made/copy", "plain.json"}


def leaks(lunops: Lunops) -> dict[str, list[str]]:
    """Return the files, but for those that the secrets are meant for, in which one is found."""
    found = {}
    for path in sorted(lunops.folder.rglob("*")):
        name = str(path.relative_to(lunops.folder))
        if path.is_file() and name not in TARGETS and (forms := found_in(path.read_bytes().decode("utf-8", "replace"))):
            found[name] = forms
    return found


@pytest.mark.parametrize(
    "options",
    [
        ("-vvv", "--diff"),
        ("--json", "-vvv"),
        ("--check", "--diff", "-vv"),
        ("--colour", "always"),
    ],
)
def test_no_secret_is_in_what_is_said_written_or_started(lunops: Lunops, options: tuple[str, ...]) -> None:
    lunops.write("plain.json", f'{{"plain_loop": "{WORD}-loop-of-no-log"}}')
    with Watch() as watch:
        code, out, err = lunops.run(*WORDS, *options, "--junit", "out.xml", "--retry-file", "again")
    assert code == 2, out + err
    assert "********" in out
    assert (found_in(out), found_in(err)) == ([], [])
    assert leaks(lunops) == {}
    assert watch.bad == set()
    assert watch.looked > 100
    assert "c4nary" not in (lunops.folder / "again").read_text()
    if "--check" not in options:
        # What it was for has arrived whole.
        assert (lunops.folder / "made/template").read_text() == f"password = {SECRETS['file']}\n"
        assert (lunops.folder / "made/copy").read_text() == f"{SECRETS['group']} again\n"
        assert WORD in (lunops.folder / "head.sim").read_bytes().decode("utf-8", "replace")


def test_no_secret_is_in_a_terminals_passing_line_or_its_colours(lunops: Lunops) -> None:
    lunops.write("plain.json", f'{{"plain_loop": "{WORD}-loop-of-no-log"}}')
    plan = lunops.folder / "plan.yml"
    plan.write_text(
        plan.read_text().replace("name: It is slow, with the secret at work", 'name: "{{ stdin_secret }} at work"')
    )
    terminal = lunops.terminal(*WORDS, "-vvv", "--diff")
    terminal.expect("******** at work, 0:0")  # the passing line
    assert terminal.end() == 2
    assert found_in(terminal.said) == []


def test_an_interrupted_run_keeps_no_secret_and_goes_on_with_what_was_registered(lunops: Lunops) -> None:
    lunops.write("plain.json", f'{{"plain_loop": "{WORD}-loop-of-no-log"}}')
    plan = lunops.folder / "plan.yml"
    begun = lunops.folder / "begun"
    plan.write_text(plan.read_text().replace("cat >/dev/null; sleep 1", f"cat >/dev/null; touch {begun}; sleep 60"))
    process = lunops.start(*WORDS)
    assert soon(begun.exists)
    interrupt(process)
    code, out, err = ended(process)
    assert code == 99
    assert (found_in(out), found_in(err), leaks(lunops)) == ([], [], {})
    again = ("run", "--resume", resume_name(err), "--vault-password-file", "pass", "--check")
    code, out, err = lunops.run(*again)
    assert (found_in(out), found_in(err)) == ([], [])


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("inventory/group_vars/all/port.yml", "ansible_port: CANARY", "is not a port"),
        ("inventory/group_vars/all/port.yml", "ansible_become: CANARY", "neither true nor false"),
        ("secrets.yml", "file_secret: CANARY\n  x: [CANARY", "secrets.yml"),
        ("secrets.yml", "- CANARY", "secrets.yml"),
        ("plan.yml", "- hosts: all\n  tasks:\n    - comand: CANARY", "comand"),
        ("plan.yml", "- hosts: CANARY\n  tasks: []", "plan.yml"),
        ("extra.yml", "- CANARY", "extra.yml"),
    ],
)
def test_an_error_in_an_encrypted_file_does_not_quote_what_is_in_it(
    lunops: Lunops, file: str, text: str, said: str
) -> None:
    lunops.write("plain.json", '{"plain_loop": "x"}')
    plain = text.replace("CANARY", f"{WORD}-of-a-file").encode()
    lunops.write(file, encrypt(plain, PASSPHRASE.encode(), salt=os.urandom(32)))
    code, out, err = lunops.run(*WORDS, "-vvv")
    assert code == 8, out + err
    assert said in err
    assert (found_in(out), found_in(err)) == ([], [])


@pytest.mark.parametrize("more", [(), ("-vvv",)])
def test_a_bug_that_quotes_a_secret_shows_its_trace_without_it(lunops: Lunops, more: tuple[str, ...]) -> None:
    lunops.write("plain.json", '{"plain_loop": "x"}')
    # An installation that breaks once the secrets are known, with one of them in its words.
    lunops.write("broken/rich/__init__.py", f"raise RuntimeError({SECRETS['file']!r}, 'is what broke it')\n")
    lunops.environment["PYTHONPATH"] = f"{lunops.folder}/broken:{lunops.environment['PYTHONPATH']}"
    code, out, err = lunops.run(*WORDS, "--colour", "always", *more)
    assert code == 250
    assert "is what broke it" in err
    assert ("Traceback" in err) is bool(more)
    assert (found_in(out), found_in(err)) == ([], [])

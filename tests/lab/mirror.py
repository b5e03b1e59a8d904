"""Find the Debian mirror that this machine's own apt configuration uses, with its keyring."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError

OVERRIDE = "LUNOPS_LAB_MIRROR"
ALIASES = ("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid")
# Only what says how to reach a mirror is passed on to the build of the head.
PASSED_ON = re.compile(r"Acquire::((https?|ftp)::.*|Check-Valid-Until|Retries|ForceIPv4|ForceIPv6)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One stanza or line of apt's sources that offers binary packages."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Lines for the head's sources, and the keyring files that verify them."""

    lines: tuple[str, ...]
    keyrings: tuple[str, ...]


def parse_deb822(text: str) -> list[Source]:
    """Read the stanzas of a `.sources` file; stanzas that are disabled or offer no binaries are left out."""
    found = []
    for stanza in re.split(r"\n\s*\n", "\n".join(x for x in text.splitlines() if not x.startswith("#"))):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
        ):
            continue
        found.append(
            Source(
                uris=tuple(fields.get("uris", "").split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", "").strip(),
            )
        )
    return found


def parse_lines(text: str) -> list[Source]:
    """Read the lines of a `.list` file."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>[^#]+)", line)
        if not match:
            continue
        words = match["rest"].split()
        options = dict(x.split("=", 1) for x in (match["options"] or "").split() if "=" in x)
        if len(words) < 3:
            continue
        found.append(
            Source(
                uris=(words[0],),
                suites=(words[1],),
                components=tuple(words[2:]),
                signed_by=options.get("signed-by", ""),
            )
        )
    return found


def choose_mirror(sources: list[Source], suite: str, codename: str) -> Mirror:
    """Choose where the packages of Debian's release `suite` come from on a machine of release `codename`.

    The machine may be of another Debian release than the head: the archive of one release is also the archive
    of the others. Raises LabError if no source looks like Debian's archive.
    """
    names = {codename, suite, *ALIASES}
    lines: dict[str, None] = {}
    keyrings: dict[str, None] = {}
    archives = [x for x in sources if "main" in x.components and names & set(x.suites) and _is_debian(x)]
    if not archives:
        raise LabError(
            "this machine's apt sources name no Debian archive",
            where="/etc/apt/sources.list, /etc/apt/sources.list.d",
            fix=f"set {OVERRIDE} to the URL of a Debian mirror, and install debian-archive-keyring",
        )
    uri = archives[0].uris[0]
    lines[f"deb {uri} {suite} main contrib"] = None
    keyrings[archives[0].signed_by] = None
    for source in sources:
        for kind in ("updates", "security"):
            wanted = {f"{name}-{kind}" for name in names}
            if "main" in source.components and wanted & set(source.suites) and _is_debian(source):
                lines[f"deb {source.uris[0]} {suite}-{kind} main contrib"] = None
                keyrings[source.signed_by] = None
    return Mirror(lines=tuple(lines), keyrings=tuple(x for x in keyrings if x.startswith("/")))


def find_mirror(suite: str) -> Mirror:
    """Read this machine's apt configuration, or what LUNOPS_LAB_MIRROR says instead of it."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    override = os.environ.get(OVERRIDE)
    if override:
        keyrings = (keyring,) if Path(keyring).exists() else ()
        return Mirror(lines=(f"deb {override} {suite} main contrib",), keyrings=keyrings)
    sources: list[Source] = []
    folder = Path("/etc/apt/sources.list.d")
    for path in [
        Path("/etc/apt/sources.list"),
        *sorted(folder.glob("*.list")),
        *sorted(folder.glob("*.sources")),
    ]:
        if path.is_file():
            parse = parse_deb822 if path.suffix == ".sources" else parse_lines
            sources += parse(path.read_text(encoding="utf-8"))
    release = dict(
        x.split("=", 1) for x in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in x
    )
    mirror = choose_mirror(sources, suite, release.get("VERSION_CODENAME", "").strip('"'))
    if not mirror.keyrings and Path(keyring).exists():
        mirror = Mirror(lines=mirror.lines, keyrings=(keyring,))
    return mirror


def apt_options() -> list[str]:
    """Return the options of this machine's apt that say how to reach a mirror, such as a proxy."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True, timeout=60).stdout
    options = []
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        if PASSED_ON.match(name) and len(shlex.split(value.rstrip(";"))) == 1 and value not in ('"";', ""):
            options.append(f"{name} {value}")
    return options


def _is_debian(source: Source) -> bool:
    last = source.uris[0].rstrip("/").rpartition("/")[2] if source.uris else ""
    return "debian-archive" in source.signed_by or last in ("debian", "debian-security")

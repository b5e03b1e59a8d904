"""How the zfs and zpool commands take their words, and what they say when they are wrong."""

from __future__ import annotations

import getopt
from collections.abc import Sequence

_USAGE = {
    "create": "\tcreate [-Pnpuv] [-o property=value] ... <filesystem>\n"
    "\tcreate [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>\n",
    "destroy": "\tdestroy [-fnpRrv] <filesystem|volume>\n"
    "\tdestroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]\n"
    "\tdestroy <filesystem|volume>#<bookmark>\n",
    "snapshot": "\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n",
    "clone": "\tclone [-p] [-o property=value] ... <snapshot> <filesystem|volume>\n",
    "promote": "\tpromote <clone-filesystem>\n",
    "rename": "\trename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>\n"
    "\trename -p [-f] <filesystem|volume> <filesystem|volume>\n"
    "\trename -u [-f] <filesystem> <filesystem>\n"
    "\trename -r <snapshot> <snapshot>\n",
    "list": "\tlist [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n"
    "\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...\n",
    "receive": "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ...\n"
    "\t    <filesystem|volume|snapshot>\n"
    "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ... \n"
    "\t    [-d | -e] <filesystem>\n"
    "\treceive -A <filesystem|volume>\n",
    "send": "\tsend [-DnPpRVvLecwhb] [-[i|I] snapshot] <snapshot>\n"
    "\tsend [-DnVvPLecw] [-i snapshot|bookmark] <filesystem|volume|snapshot>\n"
    "\tsend [-DnPpVvLec] [-i bookmark|snapshot] --redact <bookmark> <snapshot>\n"
    "\tsend [-nVvPe] -t <receive_resume_token>\n"
    "\tsend [-PnVv] --saved filesystem\n",
    "set": "\tset <property=value> ... <filesystem|volume|snapshot> ...\n",
    "get": '\tget [-rHp] [-d max] [-o "all" | field[,...]]\n'
    "\t    [-t type[,...]] [-s source[,...]]\n"
    '\t    <"all" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n',
    "hold": "\thold [-r] <tag> <snapshot> ...\n",
    "holds": "\tholds [-rH] <snapshot> ...\n",
    "release": "\trelease [-r] <tag> <snapshot> ...\n",
    "rollback": "\trollback [-rRf] <snapshot>\n",
    "inherit": "\tinherit [-rS] <property> <filesystem|volume|snapshot> ...\n",
    "zpool list": "\tlist [-gHLpPv] [-o property[,...]] [-T d|u] [pool] ... \n\t    [interval [count]]\n",
}
_ALL = "usage: {0} command args ...\nwhere 'command' is one of the following:\n\n\tversion\n\n"
_PROPERTIES = "\nThe following properties are supported:\n"  # and a table of them, which is left out
_WITH_PROPERTIES = ("list", "get", "set", "inherit", "zpool list")
_MORE = "\nFor the property list, run: zfs set|get\n\nFor the delegated permission list, run: zfs allow|unallow\n"


class CommandError(Exception):
    """A command ends with an error: its code and what it says on standard error."""

    def __init__(self, text: str, code: int = 1, out: str = "") -> None:
        super().__init__(text)
        self.text = text.rstrip("\n") + "\n"
        self.code = code
        self.out = out  # what it had printed before


class DoneInPart(CommandError):
    """A command ends with an error, and what it did before that stays done."""


def misuse(what: str, command: str) -> CommandError:
    """Return the error of a command that was called wrongly, with its usage."""
    more = _PROPERTIES if command in _WITH_PROPERTIES else _MORE
    return CommandError((what + "\n" if what else "") + "usage:\n" + _USAGE.get(command, "") + more, 2)


def unknown(program: str, command: str) -> CommandError:
    """Return the error of a command that is not there."""
    what = f"unrecognized command '{command}'" if command else "missing command"
    usage = "".join(_USAGE[name] for name in _USAGE if name.startswith("zpool ") == (program == "zpool"))
    return CommandError(f"{what}\n{_ALL.format(program)}{usage}", 2)


class Options:
    """A command's options and the words behind them."""

    def __init__(self, command: str, words: Sequence[str], allowed: str) -> None:
        """Take the words behind the command; `allowed` is as getopt(3) has it."""
        try:
            pairs, self.words = getopt.getopt(list(words), allowed)
        except getopt.GetoptError as error:
            has_argument = f"{error.opt}:" in allowed
            what = f"missing argument for '{error.opt}' option" if has_argument else f"invalid option '{error.opt}'"
            raise misuse(what, command) from None
        self._pairs = [(name[1:], value) for name, value in pairs]

    def has(self, letter: str) -> bool:
        """Return whether an option was given."""
        return any(name == letter for name, _ in self._pairs)

    def last(self, letter: str, default: str = "") -> str:
        """Return an option's value, the last one if it was given more than once."""
        return next((value for name, value in reversed(self._pairs) if name == letter), default)

    def several(self, letters: str) -> list[tuple[str, str]]:
        """Return these options with their values, in their order."""
        return [(name, value) for name, value in self._pairs if name in letters]

    def settings(self) -> dict[str, str]:
        """Return the properties given with -o."""
        settings: dict[str, str] = {}
        for _, word in self.several("o"):
            name, equals, value = word.partition("=")
            if not equals:
                raise CommandError("missing '=' for property=value argument")
            if name in settings:
                raise CommandError(f"property '{name}' specified multiple times")
            settings[name] = value
        return settings

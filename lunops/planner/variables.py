"""Which variables a task sees on a head, and which of two of the same name wins: Ansible's order.

The weakest first: inventory, facts, the play's `vars`, its `vars_files`, the blocks' and the task's own `vars`, what
`set_fact` and `register` have set, what lunops itself says, such as `inventory_hostname`, and `-e`. What the authors
wrote (`trusted`) may hold expressions, which are filled in when they are used; what a run has learnt, and what `-e`
gives, is data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lunops.inventory import Inventory
from lunops.model import Host, Json
from lunops.playbook.model import Play, TaskSpec
from lunops.render import OMIT, Expressions, Late, Lazy


@dataclass(kw_only=True)
class Learnt:
    """What a run has learnt of one head so far: plain data, never expressions."""

    facts: dict[str, Json] = field(default_factory=dict)
    said: dict[str, Json] = field(default_factory=dict)  # by set_fact and register


@dataclass(frozen=True, kw_only=True)
class PlayVariables:
    """What a play gives to all of its heads, or, its files, to one."""

    play: Play
    number: int
    files: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)  # head → the content of its `vars_files`
    where: Mapping[str, str] = field(default_factory=dict)  # name → FILE:LINE:COLUMN


class Variables:
    """Puts together what a task sees; one for a run."""

    def __init__(
        self,
        inventory: Inventory,
        extra: Mapping[str, Json],
        expressions: Expressions,
        *,
        said: Mapping[str, Json] | None = None,
        learnt: Mapping[str, Learnt] | None = None,
    ) -> None:
        """`said` are the names that lunops itself gives to every head; `learnt` is looked at anew each time."""
        self._inventory = inventory
        self._extra = extra
        self._expressions = expressions
        self._said = {
            "groups": {name: list(each) for name, each in inventory.groups.items()},
            "omit": OMIT,
            **(said or {}),
        }
        self._learnt = learnt if learnt is not None else {}
        self._hostvars = _HostVars(self)

    def of(
        self,
        host: Host,
        play: PlayVariables | None = None,
        spec: TaskSpec | None = None,
        more: Mapping[str, Json] | None = None,
    ) -> Mapping[str, Json]:
        """Return what a task of a play sees on a head; `more` are the loop's variables and the play's heads."""
        inventory = host.variables
        written = {**play.play.variables, **play.files.get(host.name, {})} if play else {}
        learnt = self._learnt.get(host.name) or Learnt()
        trusted = {**inventory, **written, **(spec.variables if spec else {})}
        plain: dict[str, Json] = {}
        for name, value in learnt.facts.items():
            if name not in written and not (spec and name in spec.variables):
                plain[name] = value
        plain |= learnt.said
        plain |= self._said
        plain["hostvars"] = self._hostvars
        plain |= more or {}
        plain |= self._extra  # as data: who gives a list of nodes must not be able to run an expression
        return Lazy(trusted, plain, play.where if play else {}, self._expressions)

    def hostvars(self, name: str) -> Mapping[str, Json]:
        """Return what all plays know of a head; raises KeyError if there is none of this name."""
        return self.of(self._inventory.hosts[name])

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of all heads of the inventory."""
        return tuple(self._inventory.hosts)


def names_of_play(
    name: str,
    host: Host,
    going: Callable[[], Sequence[str]],
    batch: Callable[[], Sequence[str]],
    everyone: Callable[[], Sequence[str]],
) -> dict[str, Json]:
    """Return the variables that say who is in a play: `going` are those of the batch that have not failed.

    Few tasks ask who else is in the play, and with many heads each such list is long.
    """
    in_batch = Late(lambda: list(batch()))
    return {
        "ansible_play_name": name,
        "ansible_play_batch": in_batch,
        "ansible_play_hosts": Late(lambda: list(going())),
        "play_hosts": in_batch,
        "ansible_play_hosts_all": Late(lambda: list(everyone())),
        "inventory_hostname": host.name,
        "inventory_hostname_short": host.name.split(".")[0],
    }


class _HostVars(Mapping[str, Json]):
    """`hostvars`: the variables of any head by its name, put together when they are asked for."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Json:
        return self._variables.hostvars(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables.heads)

    def __len__(self) -> int:
        return len(self._variables.heads)

"""Write an inventory as YAML that is read back as the same inventory."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from lunops.inventory.raw import ALL, PRIORITY
from lunops.inventory.records import Inventory
from lunops.model import Json
from lunops.yaml_source import Vaulted


def write(inventory: Inventory) -> str:
    """Return the inventory as YAML.

    What one file says is read back as it was. Variables from `group_vars` and `host_vars` are given to the heads
    themselves, and a relative path still starts at the folder of the file that is read.
    """
    written = _Pieces()
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.width = 1_000_000  # no line is folded
    yaml.dump({ALL: _group(inventory, ALL, set())}, written)
    return b"".join(written).decode("utf-8")


def _group(inventory: Inventory, name: str, written: set[str]) -> dict[str, Json] | None:
    """Return a group as it is written; its content stands where it is named first."""
    if name in written:
        return None
    written.add(name)
    group = inventory.tree[name]
    made: dict[str, Json] = {}
    variables = dict(group.variables)
    if group.priority != 1:
        variables[PRIORITY] = group.priority
    if variables:
        made["vars"] = variables
    if name == ALL:
        made["hosts"] = {host: _own(inventory, host) or None for host in inventory.hosts}
    elif group.hosts:
        made["hosts"] = dict.fromkeys(group.hosts)
    if children := {child: _group(inventory, child, written) for child in group.children}:
        made["children"] = children
    return made or None


def _own(inventory: Inventory, host: str) -> dict[str, Json]:
    """Return the variables that a head needs beside those of its groups."""
    groups: dict[str, Json] = {}
    own: dict[str, Json] = {}
    for layer in inventory.layers[host]:
        (groups if layer.words.startswith("group ") else own).update(layer.values)
    return own


class _Pieces(list[bytes]):
    def write(self, piece: bytes) -> None:
        """Take a piece of the text."""
        self.append(piece)


class _Representer(RoundTripRepresenter):
    """Writes encrypted values with their tag, and nothing as an anchor."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> ScalarNode:
        """Return a text; quoted where a letter of it does not show: YAML 1.1 takes NEL for a line's end."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')

    def represent_vaulted(self, data: Vaulted) -> ScalarNode:
        """Return an encrypted value as a block of text with the tag !vault."""
        return self.represent_scalar("!vault", str(data), style="|")


_Representer.add_representer(str, _Representer.represent_text)
_Representer.add_representer(Vaulted, _Representer.represent_vaulted)

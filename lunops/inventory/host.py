"""Turn what the layers of an inventory say about one head into a `Host`; the strongest layer wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lunops.errors import BadValueError, InventoryError, LunopsError
from lunops.inventory.raw import Given
from lunops.inventory.settings import SETTINGS, file_of, settings_in
from lunops.model import Host, Json
from lunops.names import Portal

_PORTALS = (Portal(address="0.0.0.0", port=3260),)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Variables that are equally strong, such as those of one group in the inventory."""

    words: str  # whose they are, for the reader
    variables: Mapping[str, tuple[Given, ...]]
    values: Mapping[str, Json] = field(repr=False)
    settings: Mapping[str, Given] = field(repr=False)  # by our names for them


def layer(words: str, variables: Mapping[str, tuple[Given, ...]], errors: list[LunopsError]) -> Layer:
    """Return a layer; what is wrong with the names of its variables is noted in `errors`."""
    settings, wrong = settings_in(words, variables)
    errors.extend(wrong)
    values = {name: given[-1].value for name, given in variables.items()}
    return Layer(words=words, variables=variables, values=values, settings=settings)


def build(name: str, groups: Sequence[str], layers: Sequence[Layer], folder: Path, errors: list[LunopsError]) -> Host:
    """Return the host; `layers` have the weakest first, and `folder` is the inventory's."""
    variables: dict[str, Json] = {}
    given: dict[str, Given] = {}
    for each in layers:
        variables.update(each.values)
        given.update(each.settings)

    def get(setting: str, default: Any) -> Any:
        found = given.get(setting)
        if found is None or found.value is None:
            return default
        try:
            value = SETTINGS[setting].convert(found.value)
            return file_of(found) if SETTINGS[setting].is_path else value
        except BadValueError as error:
            errors.append(InventoryError(error.what, where=f"{found.where}, {setting}", fix=error.fix))
            return default

    pools = get("pools", ())
    return Host(
        name=name,
        connection=get("connection", "ssh"),
        address=get("host", name),
        port=get("port", None),
        user=get("user", ""),
        private_key=get("private_key", None),
        known_hosts=get("known_hosts", None),
        become=get("become", False),
        become_user=get("become_user", ""),
        python=get("python", "python3"),
        pools=pools,
        portals=get("portals", _PORTALS),
        state=get("state", folder / f"{name}.sim"),
        delay_s=get("delay_ms", 0.0),
        sim_process=get("sim_process", False),
        hang_s=get("hang_s", 120.0),
        jobs_at_once=get("jobs_at_once", None),
        worker_label=get("worker_label", ""),
        groups=tuple(groups),
        variables={**variables, "pools": list(pools), "inventory_hostname": name, "group_names": list(groups)},
    )

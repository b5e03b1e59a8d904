"""The modules for LIO: export a volume as a target, take a target away."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lunops import fragment
from lunops.errors import BadValueError, TemplateError
from lunops.model import Host, Item, Json
from lunops.modules.base import AnyModule, Context, DatasetName, IqnName, Module, in_pool_of, template_variables
from lunops.names import Dataset, Iqn
from lunops.validate import Checked

DEFAULT_TEMPLATE = "lun.json.j2"
_ALIAS_LENGTH = 10  # as rtslib's own
Force = list[Literal["sessions"]]  # what can be overridden here, by name; see lunops.agent.guards


class LioTarget(Checked):
    """A volume to export, to whom, and from which template."""

    dataset: DatasetName = Field(description="the volume to export")
    wwn: IqnName = Field(description="the target's name")
    initiators: Annotated[list[IqnName], Field(min_length=1)] = Field(description="who may log in")
    template: str = Field(default=DEFAULT_TEMPLATE, description="the template that its fragment is rendered from")
    force: Force = Field(default_factory=list, description="`sessions`: in spite of who is logged in")


class LioAbsent(Checked):
    """A target to take away, and the volume behind it (left out where there is none: a target on files)."""

    dataset: DatasetName | None = Field(default=None, description="the volume behind it, which stays")
    wwn: IqnName = Field(description="the target's name")
    force: Force = Field(default_factory=list, description="`sessions`: in spite of who is logged in")
    then_destroy: bool = Field(
        default=False, description="a later task destroys the volume: what finishes the delete if that is never reached"
    )


def variables_of(dataset: Dataset, wwn: Iqn, initiators: list[Iqn], host: Host) -> dict[str, Json]:
    """Return what a template of a LUN is filled in with, besides the variables of the host."""
    name = wwn.storage_object()
    return {
        "name": name,
        "dataset": dataset.name,
        "device": dataset.device,
        "serial": wwn.serial(host.name),
        "wwn": wwn.name,
        "initiators": [initiator.name for initiator in initiators],
        "portals": [{"address": portal.address, "port": portal.port} for portal in host.portals],
        "alias": name.removeprefix("lo-")[:_ALIAS_LENGTH],
    }


def _target(args: LioTarget, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset)
    if twice := sorted({each.name for each in args.initiators if args.initiators.count(each) > 1}):
        raise BadValueError(f"the initiator {twice[0]} is given twice", fix="give each once")
    variables = variables_of(args.dataset, args.wwn, args.initiators, context.host)
    text = context.templates.render(args.template, template_variables(context, variables))
    rendered = fragment.parse(text, where=args.template)
    _hold_to(rendered, variables, args.template)
    item = {"dataset": dataset, "wwn": args.wwn.name, "fragment": rendered, "force": list(args.force)}
    return Item(key=dataset, args=item)


def _hold_to(rendered: dict[str, Json], variables: dict[str, Json], template: str) -> None:
    """Refuse a fragment for anything but this LUN: what else is in it, a later delete would not find."""
    found = {
        "storage_objects[].name": [each["name"] for each in rendered.get("storage_objects", [])],
        "storage_objects[].dev": [each["dev"] for each in rendered.get("storage_objects", [])],
        "targets[].wwn": [each["wwn"] for each in rendered.get("targets", [])],
    }
    wanted = {
        "storage_objects[].name": "name",
        "storage_objects[].dev": "device",
        "targets[].wwn": "wwn",
    }
    for path, variable in wanted.items():
        if found[path] != [variables[variable]]:
            raise TemplateError(
                f"{path} is {found[path]}, and must be just {variables[variable]!r}",
                where=template,
                fix=f"put `{{{{ {variable} | json }}}}` there; one template makes one LUN",
            )
    for target in rendered["targets"]:
        for lun in (lun for tpg in target.get("tpgs", []) for lun in tpg.get("luns", [])):
            if lun["storage_object"] != f"/backstores/block/{variables['name']}":
                raise TemplateError(
                    f"a LUN is {lun['storage_object']}, not the storage object of this fragment",
                    where=template,
                    fix='put `{{ ("/backstores/block/" ~ name) | json }}` there',
                )


def _absent(args: LioAbsent, context: Context) -> Item:
    dataset = in_pool_of(context.host, args.dataset) if args.dataset else ""
    return Item(
        key=dataset or args.wwn.name,
        args={
            "dataset": dataset,
            "wwn": args.wwn.name,
            "storage_object": args.wwn.storage_object(),
            "force": list(args.force),
            **({"then_destroy": True} if args.then_destroy else {}),
        },
    )


LIO_TARGET = Module(name="lio_target", summary="export a volume as a target", args=LioTarget, expand=_target)
LIO_ABSENT = Module(name="lio_absent", summary="take a target away", args=LioAbsent, expand=_absent)

MODULES: tuple[AnyModule, ...] = (LIO_TARGET, LIO_ABSENT)

"""The module for any one target: what a fragment says, given as it is or made of a template."""

from __future__ import annotations

from pydantic import Field

from lunops import fragment
from lunops.errors import BadValueError, TemplateError
from lunops.model import Item, Json
from lunops.modules.base import AnyModule, Context, Module, in_pool_of, template_variables
from lunops.modules.lio import Force
from lunops.names import Dataset
from lunops.validate import Checked

_VOLUMES = "/dev/zvol/"


class LioFragment(Checked):
    """A target with all that belongs to it: a fragment, or a template and what it is filled in with."""

    fragment: Json = Field(default=None, description="storage objects and one target, as saveconfig.json has them")
    template: str | None = Field(default=None, description="the template that makes the fragment, instead of it")
    # looked at by hand: a message about them must not show a secret
    vars: Json = Field(default=None, description="what the template is filled in with, beside the head's variables")
    force: Force = Field(default_factory=list, description="`sessions`: in spite of who is logged in")


def _expand(args: LioFragment, context: Context) -> Item:
    where = args.template or "fragment"
    checked = fragment.parse(_source(args, context), where=where)
    wwn, dataset = _one_target(checked, context, where)
    item = {"dataset": dataset, "wwn": wwn, "fragment": checked, "force": list(args.force), "strict": True}
    return Item(key=dataset or wwn, args=item)


def _source(args: LioFragment, context: Context) -> Json:
    if (args.fragment is None) == (args.template is None):
        raise BadValueError(
            "give either a fragment or a template" + (", not both" if args.template else ""),
            fix="write `fragment: {storage_objects: …, targets: …}`, or `template: NAME` and its `vars`",
        )
    if args.vars is not None and not isinstance(args.vars, dict):
        raise BadValueError("vars must be an object of keys and values", fix="write `vars: {name: value}`")
    if args.template is None:
        if args.vars:
            raise BadValueError("vars are for a template, and there is none", fix="give `template`, or leave them out")
        return args.fragment
    portals = [{"address": portal.address, "port": portal.port} for portal in context.host.portals]
    variables = template_variables(context, {"portals": portals, **(args.vars or {})})
    return context.templates.render(args.template, variables)


def _one_target(checked: dict[str, Json], context: Context, where: str) -> tuple[str, str]:
    """Return the target's IQN and the dataset of its first volume (empty if all is in files).

    Raises `TemplateError` for anything but one target on storage objects of its own.
    """
    storages, targets = checked.get("storage_objects", []), checked.get("targets", [])
    if len(targets) != 1 or not storages:
        raise TemplateError(
            f"it has {len(targets)} targets and {len(storages)} storage objects, and must have one target "
            "and what is behind it",
            where=where,
            fix="give each target a task item of its own, with its storage objects",
        )
    names = {f"/backstores/{each['plugin']}/{each['name']}" for each in storages}
    luns = [lun["storage_object"] for tpg in targets[0].get("tpgs", []) for lun in tpg.get("luns", [])]
    if strangers := sorted(set(luns) - names):
        raise TemplateError(
            f"a LUN is {strangers[0]}, which is not among the storage objects of this fragment",
            where=where,
            fix="put it in; what another target has behind it stays that one's",
        )
    volumes = []
    for place, each in enumerate(storages):
        if each["plugin"] == "block":
            volumes.append(_volume(each["dev"], context, f"{where}: storage_objects[{place}].dev"))
    return targets[0]["wwn"], volumes[0] if volumes else ""


def _volume(device: str, context: Context, where: str) -> str:
    """Return the dataset of a volume's device; raises `TemplateError` for any other device."""
    if not device.startswith(_VOLUMES):
        raise TemplateError(f"{device} is not a volume", where=where, fix=f"name one below {_VOLUMES}")
    try:
        return in_pool_of(context.host, Dataset.parse(device.removeprefix(_VOLUMES)))
    except BadValueError as error:
        raise TemplateError(error.what, where=where, fix=error.fix) from error


LIO_FRAGMENT = Module(
    name="lio_fragment", summary="have a target and its disks as a fragment says", args=LioFragment, expand=_expand
)

MODULES: tuple[AnyModule, ...] = (LIO_FRAGMENT,)

"""The module for the authentication of discovery, one setting for a whole head."""

from __future__ import annotations

from pydantic import Field

from lunops.errors import BadValueError
from lunops.fragment_model import Secret
from lunops.model import Item
from lunops.modules.base import AnyModule, Context, Module
from lunops.validate import Checked


class LioDiscovery(Checked):
    """Whether initiators have to name themselves before they are told of targets, and with which secrets."""

    enable: bool = Field(description="whether initiators have to name themselves")
    userid: Secret | None = Field(default=None, description="who they say they are")
    password: Secret | None = Field(default=None, description="and their secret")
    mutual_userid: Secret | None = Field(default=None, description="who the head says it is, if it has to")
    mutual_password: Secret | None = Field(default=None, description="and its secret")


def _expand(args: LioDiscovery, _context: Context) -> Item:
    for one, other in (("userid", "password"), ("mutual_userid", "mutual_password")):
        if bool(getattr(args, one)) != bool(getattr(args, other)):
            missing = other if getattr(args, one) else one
            raise BadValueError(f"{missing} is missing beside {one if missing == other else other}", fix="give both")
    if args.enable and not args.userid:
        raise BadValueError(
            "enable is true, but there is no userid: nobody could discover", fix="give userid, password"
        )
    if args.mutual_userid and not args.userid:
        raise BadValueError("there is a mutual_userid, but no userid to answer to", fix="give userid and password")
    if args.password and args.password == args.mutual_password:
        raise BadValueError("mutual_password is the same as password: it could be reflected", fix="choose another")
    secrets = {name: value or "" for name, value in args.model_dump(exclude={"enable"}).items()}
    return Item(key="discovery", args={"enable": args.enable, **secrets})


LIO_DISCOVERY = Module(
    name="lio_discovery", summary="say who may discover a head's targets", args=LioDiscovery, expand=_expand
)

MODULES: tuple[AnyModule, ...] = (LIO_DISCOVERY,)

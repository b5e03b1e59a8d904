"""The modules that lunops does itself, without a head: say, check, fail, set a variable, wait, steer the play."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from lunops.model import Item, Json
from lunops.modules.base import AnyModule, Context, Module
from lunops.modules.texts import NAME, Fits, FreeText
from lunops.validate import Checked, bad_value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise bad_value("an empty text is no expression", "write one, such as size > 0")
    return text


Condition = (
    Annotated[FreeText, AfterValidator(_not_blank)] | bool
)  # a bare expression; one that is written as true or false is read as that
Seconds = Annotated[float, Field(ge=0, le=30 * 24 * 3600, allow_inf_nan=False)]
MetaAction = Literal[
    "flush_handlers", "end_play", "end_batch", "end_host", "clear_host_errors", "noop", "reset_connection"
]
HELLO: Final = "Hello world!"  # what Ansible's debug says when it is given nothing


class Debug(Checked):
    """A text or value to show, or the name of what to show: one of the two."""

    msg: Json = Field(default=HELLO, description="what to show: a text, or any value")
    var: FreeText | None = Field(default=None, description="an expression, without `{{ }}`, whose value is shown")
    verbosity: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0, description="how many `-v` there must be for it to be shown"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if {"msg", "var"} <= self.model_fields_set and self.var is not None:
            raise bad_value("give one of 'msg' and 'var'", "leave the other out")
        return self


class Assert(Checked):
    """What must hold for the head to go on."""

    that: Condition | Annotated[list[Condition], Field(min_length=1)] = Field(
        description="an expression without `{{ }}`, or a list of them, all of which must hold"
    )
    fail_msg: FreeText | None = Field(default=None, description="what to say if one does not hold")
    msg: FreeText | None = Field(default=None, description="the same as `fail_msg`")
    success_msg: FreeText | None = Field(default=None, description="what to say if all hold")
    quiet: bool = Field(default=False, description="do not list what held")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.fail_msg is not None and self.msg is not None:
            raise bad_value("give one of 'fail_msg' and 'msg': they are the same", "leave msg out")
        return self


class Fail(Checked):
    """What to say."""

    msg: FreeText = Field(default="Failed as requested from task", description="why it fails")


class SetFact(Checked):
    """Variables of the head, by name, each of any value; later tasks see them."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _names(self) -> Self:
        given = self.model_extra or {}
        if not given:
            raise bad_value("it sets no variable", "write each as NAME: VALUE")
        if "cacheable" in given:
            raise bad_value("'cacheable' is not kept here: no facts outlive a run", "leave it out")
        for name in given:
            _NAME(name)
            if name in _WORDS:
                raise bad_value(f"{name!r} is a word of the expressions, so no variable can be called so", "rename it")
        return self


# jinja2.lexer and jinja2.parser: what stands for itself in an expression
_WORDS = frozenset(("and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "true", "True"))
_NAME = Fits(pattern=NAME, what="a variable's name", fix="use letters, digits and _, no digit first")


class Pause(Checked):
    """How long to wait, or what to ask; with neither, it waits for the return key."""

    seconds: Seconds | None = Field(default=None, description="how many seconds to wait")
    minutes: Annotated[float, Field(ge=0, le=30 * 24 * 60, allow_inf_nan=False)] | None = Field(
        default=None, description="how many minutes to wait, instead of seconds"
    )
    prompt: FreeText | None = Field(default=None, description="what to say meanwhile, or to ask where no time is given")
    echo: bool = Field(default=True, description="show what is typed")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.seconds is not None and self.minutes is not None:
            raise bad_value("give one of 'seconds' and 'minutes'", "leave the other out")
        return self


class Meta(Checked):
    """What the play is to do now."""

    action: MetaAction = Field(
        description="`flush_handlers` runs the notified handlers; `end_host`, `end_batch` and `end_play` end the play "
        "for the head, the batch, or all; `clear_host_errors` takes failed heads in again; `reset_connection` connects "
        "anew; `noop` does nothing"
    )


def _given(args: Checked, context: Context) -> Item:  # noqa: ARG001 - none of them is about a head
    return Item(key=_KEYS[type(args)], args=args.model_dump(mode="json"))


def _set_fact(args: SetFact, context: Context) -> Item:  # noqa: ARG001
    return Item(key="set_fact", args=dict(args.model_extra or {}))


def _assert(args: Assert, context: Context) -> Item:  # noqa: ARG001
    that = args.that if isinstance(args.that, list) else [args.that]
    texts = [each if isinstance(each, str) else str(each).lower() for each in that]
    return Item(
        key="assert",
        args={
            "that": texts,
            "fail_msg": args.fail_msg if args.fail_msg is not None else args.msg,
            "success_msg": args.success_msg,
            "quiet": args.quiet,
        },
    )


_KEYS: dict[type[Checked], str] = {Debug: "debug", Fail: "fail", Pause: "pause", Meta: "meta"}


def _module(name: str, summary: str, args: type[Any], expand: Any, **more: Any) -> AnyModule:
    return Module(name=name, summary=summary, args=args, expand=expand, on_head=False, fails_alone=False, **more)


DEBUG = _module("debug", "show a text or a value", Debug, _given, bare=frozenset({"var"}))
ASSERT = _module("assert", "fail unless expressions hold", Assert, _assert, bare=frozenset({"that"}))
FAIL = _module("fail", "fail with a text", Fail, _given)
SET_FACT = _module("set_fact", "set variables of the head", SetFact, _set_fact)
PAUSE = _module("pause", "wait a while, or for an answer", Pause, _given)
META = _module("meta", "steer the play", Meta, _given, free_form="action")

MODULES: tuple[AnyModule, ...] = (DEBUG, ASSERT, FAIL, SET_FACT, PAUSE, META)

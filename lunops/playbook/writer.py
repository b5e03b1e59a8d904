"""Write a playbook as YAML, so that reading it gives the same playbook: what was inherited stands at each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

from lunops.model import Json
from lunops.playbook.model import KEEP, LINEAR, Loop, Node, Play, Playbook, TaskSpec
from lunops.playbook.play import SECTIONS
from lunops.yaml_source import Vaulted


def write_playbook(playbook: Playbook) -> str:
    """Return the playbook as the text of one file; imports are written out."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 110
    yaml.representer.ignore_aliases = lambda _: True  # what two tasks share is written twice: it is to be read
    yaml.representer.add_representer(Vaulted, lambda to, text: to.represent_scalar("!vault", str(text), style="|"))
    out = _Text()
    yaml.dump([_play(play) for play in playbook.plays], out)
    return "".join(out.parts)


class _Text:
    """The little of a file that the writer of YAML asks for."""

    encoding = None  # so that it is given text, not bytes

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)


def _play(play: Play) -> dict[str, Json]:
    said = {
        "name": play.name,
        "hosts": play.hosts,
        **_given(
            vars=dict(play.variables),
            vars_files=[each.path for each in play.vars_files],
            serial=list(play.serial),
            gather_facts=play.gather_facts,
            any_errors_fatal=play.any_errors_fatal,
            force_handlers=play.force_handlers,
            tags=sorted(play.tags),
            order="" if play.order == "inventory" else play.order,
            strategy="" if play.strategy == LINEAR else play.strategy,
            on_failure="" if play.on_failure == KEEP else play.on_failure,
        ),
    }
    if play.forks is not None:
        said["forks"] = play.forks
    if play.max_fail_percentage is not None:
        said["max_fail_percentage"] = play.max_fail_percentage
    parts: list[list[Json]] = [[]]
    for node in play.tasks:
        if isinstance(node, TaskSpec) and node.is_implicit:
            parts.append([])
        else:
            parts[-1].append(_node(node, play))
    sections = {1: SECTIONS[1:2], 2: SECTIONS[:2], 3: SECTIONS}[len(parts)]
    said |= {section: tasks for section, tasks in zip(sections, parts, strict=True) if tasks}
    return said | _given(handlers=[_node(each, play) for each in play.handlers])


def _node(node: Node, play: Play) -> dict[str, Json]:
    if isinstance(node, TaskSpec):
        return _task(node, play)
    return {
        **_given(name=node.name),
        **_loop(node.loop),
        "block": [_node(each, play) for each in node.tasks],
        **_given(
            rescue=[_node(each, play) for each in node.rescue],
            always=[_node(each, play) for each in node.always],
            rescue_unreachable=node.rescue_unreachable,
        ),
    }


def _task(spec: TaskSpec, play: Play) -> dict[str, Json]:
    said: dict[str, Json] = {"name": spec.name, spec.module: dict(spec.args)}
    said |= _loop(spec.loop)
    said |= _given(
        vars=dict(spec.variables),
        when=_short(spec.when),
        register=spec.register,
        changed_when=_short(spec.changed_when or ()),
        failed_when=_short(spec.failed_when or ()),
        tags=sorted(spec.tags - play.tags),
        notify=_short(spec.notify),
        listen=_short(spec.listen),
        delegate_to=spec.delegate_to,
        become_user=spec.become_user,
        environment=dict(spec.environment),
        throttle=spec.throttle,
    )
    if spec.until is not None:
        said |= _given(until=_short(spec.until.conditions))
        said |= {"retries": spec.until.retries, "delay": spec.until.delay_s}
    if spec.timeout_s is not None:
        said["timeout"] = spec.timeout_s
    for key in _FLAGS:
        if getattr(spec, key) is not None:
            said[key] = getattr(spec, key)
    if spec.on_failure != play.on_failure:
        said["on_failure"] = spec.on_failure
    return said


_FLAGS = (
    "ignore_errors", "ignore_unreachable", "any_errors_fatal", "run_once", "become", "no_log", "check_mode", "diff",
)  # fmt: skip


def _loop(loop: Loop | None) -> dict[str, Json]:
    if loop is None:
        return {}
    control = _given(index_var=loop.index, pause=loop.pause_s)
    if loop.item != "item":
        control["loop_var"] = loop.item
    if loop.label is not None:
        control["label"] = loop.label
    return {"with_items" if loop.flatten else "loop": loop.over, **_given(loop_control=control)}


def _given(**said: Any) -> dict[str, Json]:
    """Return what says something."""
    return {key: value for key, value in said.items() if value}


def _short(texts: Sequence[str]) -> Json:
    """Return a list of one as that one."""
    return texts[0] if len(texts) == 1 else list(texts)

"""A callback plugin of Ansible: write what happens as JSON lines to the file that LUNOPS_ANSIBLE_EVENTS names.

It runs in Ansible's own environment and imports nothing of this project; all judging is tests/ansible_normal.py's.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: ansible_events
type: aggregate
short_description: write each event as a JSON line
description: for the comparison of lunops with Ansible
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Writes an event a line."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "ansible_events"

    def _tell(self, event: str, **more: Any) -> None:
        with open(os.environ["LUNOPS_ANSIBLE_EVENTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **more}, default=str) + "\n")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        manager = play.get_variable_manager()
        hosts = manager._inventory.get_hosts(play.hosts, order=play.order)
        self._tell("play", name=play.get_name(), hosts=[host.get_name() for host in hosts])

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - as it is called
        self._tell("task", name=task.get_name(), handler=False)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._tell("task", name=task.get_name(), handler=True)

    def _tell_result(self, status: str, result: Any, *, ignored: bool = False) -> None:
        action = str(result._task.action).rpartition(".")[2]
        self._tell(
            "result",
            host=result._host.get_name(),
            action=action,
            variable=result._task.args.get("var", "") if action == "debug" else "",
            status=status,
            ignored=ignored,
            delegate=result._task_fields.get("delegate_to") or "",
            result=result._result,
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell_result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._tell_result("failed", result, ignored=ignore_errors)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._tell_result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        ignored = bool(result._task_fields.get("ignore_unreachable"))
        self._tell_result("unreachable", result, ignored=ignored)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._tell("stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})

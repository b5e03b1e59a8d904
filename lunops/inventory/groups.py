"""Resolve the groups that were read: who is in which, how deep each stands, and which variables are stronger."""

from __future__ import annotations

from collections.abc import Mapping

from lunops.inventory.raw import ALL, UNGROUPED, Raw


class Groups:
    """The groups of an inventory without circles, in Ansible's order."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._parents: dict[str, list[str]] = {group: [] for group in raw.groups}
        for parent, group in raw.groups.items():
            for child in group.children:
                self._parents[child].append(parent)
        self.roots = [name for name, parents in self._parents.items() if not parents and name != ALL]
        self._grouped = {
            host for name, group in raw.groups.items() if name not in (ALL, UNGROUPED) for host in group.hosts
        }
        first = [host for host in raw.groups[UNGROUPED].hosts if host not in self._grouped]
        self.ungrouped = list(dict.fromkeys([*first, *(host for host in raw.hosts if host not in self._grouped)]))
        self._depths: dict[str, int] = {ALL: 0}
        self._above: dict[str, tuple[str, ...]] = {}
        self._of_host: dict[str, list[str]] = {}
        for name in raw.groups:
            for host in self.direct(name) if name != ALL else ():
                self._of_host.setdefault(host, []).append(name)

    def direct(self, group: str) -> list[str]:
        """Return the hosts right in a group; all are in a group below `all`."""
        if group == ALL:
            return []
        return self.ungrouped if group == UNGROUPED else self._raw.groups[group].hosts

    def children(self, group: str) -> list[str]:
        """Return the groups right in a group."""
        mine = self._raw.groups[group].children
        return [*mine, *(root for root in self.roots if root not in mine)] if group == ALL else mine

    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Return the hosts in each group and below it: its own first, then level by level; `all` as they were named."""
        found = {ALL: tuple(self._raw.hosts)}
        for group in self._raw.groups:
            if group != ALL:
                queue = [group]
                for each in queue:
                    queue.extend(child for child in self.children(each) if child not in queue)
                found[group] = tuple(dict.fromkeys(host for each in queue for host in self.direct(each)))
        return found

    def above(self, group: str) -> tuple[str, ...]:
        """Return a group and those that it is in, without `all`."""
        if group not in self._above:
            over = [each for parent in self._parents[group] if parent != ALL for each in self.above(parent)]
            self._above[group] = tuple(dict.fromkeys((group, *over)))
        return self._above[group]

    def of_host(self, host: str) -> list[str]:
        """Return the groups of a host without `all`, those with the weakest variables first, as in Ansible.

        A group comes before those that stand deeper; of the equally deep, the priority and then the name decides.
        """
        mine = {each for group in self._of_host.get(host, ()) for each in self.above(group)}
        return sorted(mine, key=lambda group: (self._depth(group), self._raw.groups[group].priority, group))

    def _depth(self, group: str) -> int:
        """Return how far below `all` a group stands: one more than the deepest group that it is in."""
        if group not in self._depths:
            self._depths[group] = 1 + max((self._depth(parent) for parent in self._parents[group]), default=0)
        return self._depths[group]

"""Playbooks that Hypothesis makes up: valid ones with any mix of keywords, and values that are nearly playbooks."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import strategies as st
from ruamel.yaml import YAML

# Texts that YAML takes for something else unless they are in quotes.
TRICKY = [
    "yes", "012", "1:30", "~", "null", "true", "1e3", ".inf", "<<", "=", "- a", "a: b", "#x", "!x", "&x", "*x", "?",
    "|", ">", "%x", "@x", "`x", "'", '"', " x", "x ", "x\n", "\nx", "x\n\ny", "\x85", "\u2028", "\ufeff", "\x7f",
    "\x01", "2024-01-01", "{{ x }}", "{{ x | default('y') }}", "a {{ x }} b", "\U0001f600", "\ud800", "x" * 200,
]  # fmt: skip
names = st.from_regex(r"\A[a-z]{1,6}_?\Z").filter(lambda name: name not in ("item", "groups"))
plain = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() and "{" not in text)
texts = st.one_of(st.sampled_from(TRICKY).filter(lambda text: bool(text.strip())), plain)
expressions = st.sampled_from(["{{ x }}", "{{ a.b | length > 2 }}", "{{ not y }}"])
conditions = st.sampled_from(["x", "item != 'b'", "x is defined and y | length > 2", "true"])
flags = st.one_of(st.booleans(), expressions)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, st.just("")
)
keys = st.one_of(st.sampled_from(TRICKY), st.text(max_size=6), names)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)
IDENTIFIERS = ("a", "b_1", "colour", "X")
variables = st.dictionaries(st.sampled_from(IDENTIFIERS), values, max_size=3)
condition_lists = st.one_of(conditions, st.booleans(), st.lists(st.one_of(conditions, st.booleans()), max_size=3))
tag_lists = st.one_of(st.just("a, b"), st.lists(st.one_of(st.sampled_from(["a", "always", "c d", "é"]), st.just(5))))
environments = st.dictionaries(st.sampled_from(["LANG", "A.B"]), st.one_of(texts, st.integers()), max_size=2)
HANDLERS = ("Restart it", "reload", "yes")
shared: dict[str, st.SearchStrategy[Any]] = {
    "tags": tag_lists,
    "environment": environments,
    **dict.fromkeys(("become", "check_mode", "diff", "ignore_errors", "ignore_unreachable", "no_log"), flags),
    "become_user": texts,
    "throttle": st.one_of(st.integers(0, 9), expressions),
    "timeout": st.one_of(st.integers(1, 100), st.floats(0.5, 1000), expressions),
    "on_failure": st.sampled_from(["keep", "undo", "stop"]),
}
of_nodes: dict[str, st.SearchStrategy[Any]] = {
    **shared,
    "when": condition_lists,
    "vars": variables,
    "run_once": flags,
    "any_errors_fatal": flags,
    "delegate_to": texts,
    "notify": st.one_of(st.sampled_from(HANDLERS), st.lists(st.sampled_from([*HANDLERS, "{{ x }}"]), max_size=2)),
}
modules = st.one_of(
    st.fixed_dictionaries({"debug": st.fixed_dictionaries({}, optional={"msg": values})}),
    st.fixed_dictionaries({"ansible.builtin.set_fact": variables}),
    st.just({"command": "ls -l"}),
    st.just({"command": {"argv": ["ls", "{{ x }}"]}}),
    st.just({"command": None, "args": {"chdir": "/"}}),
    st.just({"meta": "noop"}),
    st.just({"wait_for_device": {"dataset": "tank/a", "timeout_s": 0.5}}),
    st.just({"zfs_destroy": {"dataset": "{{ item }}", "force": ["unmarked"]}}),
)


def merged(*parts: Any) -> Any:
    """Return a strategy for the union of dictionaries."""
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


loops: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    merged(
        st.one_of(
            st.fixed_dictionaries({"loop": st.one_of(expressions, st.lists(values, max_size=3))}),
            st.fixed_dictionaries({"with_items": st.one_of(expressions, st.lists(values, max_size=3))}),
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "loop_control": st.fixed_dictionaries(
                    {},
                    optional={
                        "label": values,
                        "loop_var": st.sampled_from(["item", "each"]),
                        "index_var": st.sampled_from(["i", "n_1"]),
                        "pause": st.one_of(st.integers(0, 5), st.floats(0, 5), expressions),
                    },
                )
            },
        ),
    ),
)
tries: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"until": condition_lists},
        optional={"retries": st.one_of(st.integers(0, 9), expressions), "delay": st.floats(0, 9)},
    ),
    st.fixed_dictionaries({"retries": st.integers(0, 9)}),
)
own = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "register": st.sampled_from(IDENTIFIERS),
        "changed_when": condition_lists,
        "failed_when": condition_lists,
    },
)
tasks = merged(modules, loops, tries, own, st.fixed_dictionaries({}, optional=of_nodes))
nodes = st.recursive(
    tasks,
    lambda inner: merged(
        st.fixed_dictionaries(
            {"block": st.lists(inner, min_size=1, max_size=2)},
            optional={"always": st.lists(inner, max_size=2), "name": texts},
        ),
        st.one_of(
            st.just({}),
            st.fixed_dictionaries(
                {"rescue": st.lists(inner, min_size=1, max_size=2)}, optional={"rescue_unreachable": st.booleans()}
            ),
        ),
        st.one_of(st.just({}), loops),
        st.fixed_dictionaries({}, optional=of_nodes),
    ),
    max_leaves=4,
)
plays = st.fixed_dictionaries(
    {
        "hosts": st.one_of(texts, st.lists(texts, min_size=1, max_size=2)),
        "tasks": st.lists(nodes, min_size=1, max_size=3),
        "handlers": st.tuples(
            *(merged(tasks, st.just({"name": name}), st.just({"listen": ["x", name]})) for name in HANDLERS)
        ).map(list),
    },
    optional={
        **shared,
        "name": texts,
        "vars": variables,
        "vars_files": st.one_of(texts, st.lists(texts, max_size=2)),
        "serial": st.one_of(st.integers(1, 9), st.just("30%"), st.lists(st.just("5"), min_size=1, max_size=2)),
        "order": st.sampled_from(["inventory", "sorted", "reverse_sorted"]),
        "strategy": st.sampled_from(["linear", "free"]),
        "forks": st.integers(1, 99),
        "gather_facts": st.booleans(),
        "any_errors_fatal": st.booleans(),
        "force_handlers": st.booleans(),
        "max_fail_percentage": st.one_of(st.integers(0, 100), st.floats(0, 100)),
        "pre_tasks": st.lists(nodes, max_size=2),
        "post_tasks": st.lists(nodes, max_size=2),
    },
)
playbooks = st.lists(plays, min_size=1, max_size=2)
# What looks like a playbook from afar.
WORDS = (
    "hosts", "tasks", "pre_tasks", "handlers", "vars", "block", "rescue", "when", "loop", "with_items", "loop_control",
    "debug", "set_fact", "meta", "assert", "zfs_clone", "args", "tags", "serial", "import_tasks", "import_playbook",
    "notify", "listen", "until", "retries", "environment", "register", "name", "timeout", "vars_files", "that", "src",
)  # fmt: skip
anything = st.recursive(
    st.one_of(scalars, st.sampled_from(WORDS), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)),
    max_leaves=30,
)


def yaml_text(value: Any) -> str:
    """Return a value as YAML."""
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False  # in [?x] ruamel reads a key where it has written a text
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(value, out)
    return out.getvalue()

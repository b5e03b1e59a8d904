"""A fragment: a piece of LIO's saveconfig JSON (storage objects and targets), checked before anything uses it.

What the agent does not apply is refused here rather than left out quietly.
"""

from __future__ import annotations

import json

from lunops.errors import TemplateError
from lunops.fragment_model import Fragment
from lunops.fragment_rules import contradictions
from lunops.model import Json
from lunops.validate import check, in_one

_ADVICE = {
    "userid": "write 'chap_userid': rtslib reads that, whatever saveconfig.json(5) says",
    "password": "write 'chap_password': rtslib reads that, whatever saveconfig.json(5) says",
    "mutual_userid": "write 'chap_mutual_userid': rtslib reads that, whatever saveconfig.json(5) says",
    "mutual_password": "write 'chap_mutual_password': rtslib reads that, whatever saveconfig.json(5) says",
    "exclusive": "leave it out: older versions of rtslib refuse the object",
    "fabric_modules": "leave it out: it is for the whole head, and a fragment is for its own targets only; "
    "the module lio_discovery sets it",
    "members": "leave it out: a LUN says in which group it is (alua_tg_pt_gp_name)",
    "alua_support_lba_dependent": "leave it out: rtslib cannot set it, and would restore nothing at all at boot",
}


def parse(source: Json, where: str) -> dict[str, Json]:
    """Return the fragment in a JSON text or value, names in the kernel's spelling.

    Raises `TemplateError` with every problem: a key path, the value, what to write.
    """
    value = _load(source, where) if isinstance(source, str | bytes) else source
    fragment, problems = check(Fragment, value, _ADVICE)
    if fragment is not None:
        problems = contradictions(fragment)
    if fragment is None or problems:
        what, fix = in_one(problems)
        raise TemplateError(f"this is not a fragment: {what}", where=where, fix=fix)
    return fragment.model_dump(exclude_unset=True)


def print_text(fragment: Json) -> str:
    """Return the fragment as saveconfig.json has it: indented, keys sorted."""
    return json.dumps(fragment, indent=2, sort_keys=True) + "\n"


def _load(text: str | bytes, where: str) -> Json:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1] if error.doc.strip() else ""
        shown = "(not shown: it may hold a secret)" if "password" in line.lower() else repr(line.strip()[:120])
        what = f"this is not JSON: {error.msg} in line {error.lineno}, column {error.colno}: {shown}"
        raise TemplateError(what, where=where, fix="put values in with the filter `json`") from error
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"this is not JSON: {error}", where=where) from error


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {twice!r} is given twice in one object")
    return value


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")

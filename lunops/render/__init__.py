"""Turn templates and the expressions of a playbook into text and values, in Jinja's sandbox.

Only what the author of a playbook, template or file of variables wrote is ever a template: results are data, and
braces in them stay braces.
"""

from __future__ import annotations

from lunops.render.environment import Filter, environment, native_environment
from lunops.render.expressions import Expressions
from lunops.render.filters import FILTERS, pool_of, to_bool
from lunops.render.filters import json_of as to_json
from lunops.render.globals import GLOBALS
from lunops.render.held import OMIT, Unknown, settle
from lunops.render.lazy import Late, Lazy, is_template
from lunops.render.templates import Templates
from lunops.render.tests import TESTS
from lunops.render.untaken import UNTAKEN

__all__ = [
    "FILTERS",
    "GLOBALS",
    "OMIT",
    "TESTS",
    "UNTAKEN",
    "Expressions",
    "Filter",
    "Late",
    "Lazy",
    "Templates",
    "Unknown",
    "environment",
    "is_template",
    "native_environment",
    "pool_of",
    "settle",
    "to_bool",
    "to_json",
]

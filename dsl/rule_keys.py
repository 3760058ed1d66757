"""What each key of a rule file may hold, and what a rule makes of it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dsl.rule import MODES, ON_INCOMPLETE, SEVERITIES, VERDICTS, Control, Test

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_TEST_KEYS = ("name", "trace", "traceFile", "expect", "violations", "clause", "missing")

Read = Callable[[Any], tuple[Any, str | None]]  # the value, or what is wrong with it


def _text(item: Any) -> tuple[Any, str | None]:
    return (item, None) if isinstance(item, str) else (None, "is text")


def _id(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, str) and _ID.fullmatch(item):
        return item, None
    return None, "is lower-case letters, digits and '-', at most 128, such as 'charge-without-check'"


def _choice(*allowed: str) -> Read:
    def read(item: Any) -> tuple[Any, str | None]:
        if isinstance(item, str) and item.lower() in allowed:
            return item.lower(), None
        return None, f"is one of {', '.join(allowed)}"

    return read


def _boolean(item: Any) -> tuple[Any, str | None]:
    return (item, None) if isinstance(item, bool) else (None, "is true or false")


def _is_plain(item: Any) -> bool:
    """Text, or a number, which YAML makes of text that looks like one."""
    return isinstance(item, str | int | float) and not isinstance(item, bool)


def _labels(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, Mapping) and all(map(_is_plain, item.values())):
        return {str(key): str(value) for key, value in item.items()}, None
    return None, "is a mapping of names to text"


def _controls(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, list) and all(map(_is_control, item)):
        return tuple(Control(str(c["framework"]).lower(), str(c["control"])) for c in item), None
    return None, "is a list of {framework, control}"


def _is_control(item: Any) -> bool:
    keys = {"framework", "control"}
    return isinstance(item, Mapping) and set(item) == keys and all(map(_is_plain, item.values()))


def _tests(item: Any) -> tuple[Any, str | None]:
    if not isinstance(item, list):
        return None, "is a list"
    tests = []
    for number, each in enumerate(item, 1):
        problem = _test_problem(each)
        if problem:
            return None, f"number {number}: {problem}"
        missing = each.get("missing")
        tests.append(
            Test(
                str(each.get("name", f"test {number}")),
                each["expect"],
                tuple(each.get("trace", ())),
                each.get("traceFile"),
                each.get("violations"),
                each.get("clause"),
                None if missing is None else tuple(missing),
            )
        )
    return tuple(tests), None


def _test_problem(each: Any) -> str | None:
    if not isinstance(each, Mapping):
        return "a test is a mapping"
    unknown = [key for key in each if key not in _TEST_KEYS]
    if unknown:
        return f"unknown key '{unknown[0]}'"
    if not isinstance(each.get("expect"), str) or each["expect"] not in VERDICTS:
        return f"'expect' is one of {', '.join(VERDICTS)}"
    if "trace" not in each and "traceFile" not in each:
        return "a test needs 'trace' or 'traceFile'"
    trace, missing = each.get("trace", []), each.get("missing", [])
    if not isinstance(trace, list) or not all(isinstance(span, Mapping) for span in trace):
        return "'trace' is a list of spans, each {name: …}"
    if not isinstance(missing, list):
        return "'missing' is a list of texts"
    if not isinstance(each.get("traceFile", ""), str):
        return "'traceFile' is the name of a file"
    return None


READ: dict[str, Read] = {
    "id": _id,
    "name": _text,
    "description": _text,
    "severity": _choice(*SEVERITIES),
    "enabled": _boolean,
    "mode": _choice(*MODES),
    "on_incomplete": _choice(*ON_INCOMPLETE),
    "condition": _text,
    "message": _text,
    "labels": _labels,
    "compliance": _controls,
    "runbook_url": _text,
    "tests": _tests,
}

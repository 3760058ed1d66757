"""Reads the parameters of a request, which say what is asked for; what is unknown or wrong is a Problem."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.problems import Problem
from app.query import Query, nanoseconds, words
from dsl.rule import SEVERITIES

MAX_LIMIT = 1000
_LONGEST = 366 * 86_400  # seconds
MAX_VALUES = 50  # of a parameter
FILTERS = (
    "severity", "ruleId", "traceId", "service", "status", "mode", "complete", "label", "framework", "control",
    "q", "from", "to",
)  # fmt: skip
_MANY = FILTERS[:-2]  # may be given more than once
_MAX_WORDS = 20
_STATUSES = ("open", "retracted", "any")
_MODES = ("enforce", "shadow", "any")
BAD_CURSOR = "cursor: not one that this API gave; leave it out to begin anew"
Endpoint = Callable[[Request], Awaitable[Response]]


def methods(path: str, **endpoints: Endpoint) -> Route:
    """A route with an endpoint for each method, so that a 405 tells all of them."""

    async def dispatch(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=list(endpoints))


def known(request: Request, names: tuple[str, ...]) -> None:
    """Refuse parameters other than these, and one that is given too often."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    often = [name for name, count in given.items() if count > (MAX_VALUES if name in _MANY else 1)]
    if often and often[0] in names:
        raise Problem(400, f"{often[0]}: given too often; at most {MAX_VALUES if often[0] in _MANY else 1}")
    unknown = [name for name in given if name not in names]
    if unknown:
        offered = f"there are {', '.join(names)}" if names else "there are none here"
        raise Problem(400, f"unknown parameter {unknown[0][:100]}; {offered}")


def choice(
    given: Callable[[str], list[str]], name: str, allowed: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    """Any of some words, in any case; `any` is all of them."""
    values = tuple(dict.fromkeys(value.lower() for value in given(name)))
    wrong = [value for value in values if value not in allowed]
    if wrong:
        raise Problem(400, f"{name}: {wrong[0][:100]!r} is none of {', '.join(allowed)}")
    return () if "any" in values else values or default


def limit(request: Request) -> int:
    """How many items a page has."""
    text = request.query_params.get("limit", "100")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise Problem(400, f"limit: a number from 1 to {MAX_LIMIT}")
    return int(text)


def time(given: Mapping[str, str], name: str) -> int | None:
    """A time in Unix ns."""
    text = given.get(name)
    if text is None:
        return None
    wrong = Problem(400, f"{name}: RFC 3339 with a zone, such as 2026-01-31T12:00:00Z, or Unix ms")
    try:
        ms = text.isascii() and text.isdigit() and len(text) < 15
        found = int(text) * 10**6 if ms else nanoseconds(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise wrong from None
    if not 0 <= found < 2**63:
        raise wrong
    return found


def duration(text: str, name: str) -> int:
    """A step of time in ns, at least a second."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})(s|m|h|d)", text)
    if found is None:
        raise Problem(400, f"{name}: a number and a unit, such as 5m, 1h or 1d")
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]
    if seconds > _LONGEST:
        raise Problem(400, f"{name}: at most 366d")
    return seconds * 10**9


def filters(request: Request) -> Query:
    """The violations that a request is about."""
    given = request.query_params

    def any_of(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(given.getlist(name)))

    one_of = partial(choice, given.getlist)
    complete = one_of("complete", ("true", "false", "any"), ())
    return Query(
        severities=one_of("severity", SEVERITIES, ()),
        rule_ids=any_of("ruleId"),
        trace_ids=tuple(trace.lower() for trace in any_of("traceId")),
        services=any_of("service"),
        statuses=one_of("status", _STATUSES, ("open",)),
        modes=one_of("mode", _MODES, ("enforce",)),
        complete=None if len(complete) != 1 else complete[0] == "true",
        labels=_labels(any_of("label")),
        frameworks=tuple(framework.lower() for framework in any_of("framework")),
        controls=any_of("control"),
        words=_words(any_of("q")),
        start=time(given, "from"),
        end=time(given, "to"),
    )


def _words(given: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word for text in given for word in words(text)))
    if len(found) > _MAX_WORDS:
        raise Problem(400, f"q: at most {_MAX_WORDS} words")
    return found


def _labels(given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    labels: dict[str, tuple[str, ...]] = {}
    for text in given:
        key, colon, value = text.partition(":")
        if not colon or not key:
            raise Problem(400, "label: a key and its value, label=team:payments")
        labels[key] = (*labels.get(key, ()), value)
    return labels

"""The HTTP API: violations from the index, rules as they are in force."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from anyio.to_thread import run_sync
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.index import BadCursor, Index, Query, nanoseconds
from app.problems import Problem, on_error, on_http, on_problem
from dsl.rule import SEVERITIES, Rule

MAX_LIMIT = 1000
_PAGE = ("limit", "cursor")
_FILTERS = ("severity", "ruleId", "traceId", "service", "status", "mode", "from", "to")
_STATUSES = ("open", "retracted", "any")
_MODES = ("enforce", "shadow", "any")


class RuleSource(Protocol):
    """Where the rules in force come from."""

    @property
    def problem(self) -> str | None: ...

    def rules(self) -> tuple[Rule, ...]: ...


_ERRORS: dict[Any, Any] = {Problem: on_problem, HTTPException: on_http, Exception: on_error}


def application(index: Index, rules: RuleSource, waiting: Callable[[], str | None]) -> Starlette:
    """The API. `waiting` tells what it waits for before it is ready, None when it is."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/api/violations", violations),
            Route("/api/violations/{id}", violation),
            Route("/api/rules", rule_list),
            Route("/api/rules/{id}", rule),
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        exception_handlers=_ERRORS,
    )
    app.state.index, app.state.rules, app.state.waiting = index, rules, waiting
    return app


def worker_application(waiting: Callable[[], str | None]) -> Starlette:
    """What a worker shows of itself."""
    routes = [Route("/healthz", healthy), Route("/readyz", ready), Route("/metrics", metrics)]
    app = Starlette(routes=routes, exception_handlers=_ERRORS)
    app.state.waiting = waiting
    return app


async def violations(request: Request) -> Response:
    """A page of what the filters match, newest first."""
    index: Index = request.app.state.index
    try:
        page = await run_sync(index.page, _query(request))
    except BadCursor:
        raise Problem(400, "cursor: not one that this API gave; leave it out to begin anew") from None
    text = f'{{"items":[{",".join(page.items)}],"nextCursor":{json.dumps(page.next_cursor)}}}'
    return Response(text, media_type="application/json")


async def violation(request: Request) -> Response:
    """One violation."""
    _known(request, ())
    index: Index = request.app.state.index
    found = await run_sync(index.find, request.path_params["id"])
    if found is None:
        raise Problem(404, f"there is no violation {request.path_params['id']}")
    return Response(found, media_type="application/json")


async def rule_list(request: Request) -> Response:
    """The rules, by id."""
    _known(request, _PAGE)
    limit, after = _limit(request), request.query_params.get("cursor", "")
    found = [rule for rule in request.app.state.rules.rules() if rule.id > after]
    following = found[limit - 1].id if len(found) > limit else None
    return JSONResponse({"items": [rule_json(rule) for rule in found[:limit]], "nextCursor": following})


async def rule(request: Request) -> Response:
    """One rule; its ETag is the version."""
    _known(request, ())
    key = request.path_params["id"]
    found = next((rule for rule in request.app.state.rules.rules() if rule.id == key), None)
    if found is None:
        raise Problem(404, f"there is no rule {key}")
    return JSONResponse(rule_json(found), headers={"ETag": f'"{found.version}"'})


async def ready(request: Request) -> Response:
    """Caught up with Kafka, or 503 with what is waited for."""
    reason = request.app.state.waiting()
    if reason is not None:
        raise Problem(503, reason)
    return JSONResponse({"status": "ready"})


_LINKS = {
    "violations": "/api/violations",
    "rules": "/api/rules",
    "health": "/healthz",
    "ready": "/readyz",
    "metrics": "/metrics",
}


async def home(request: Request) -> Response:
    """Where to go next: a small page for people, JSON for programs."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"name": "betrace", "links": _LINKS})
    links = "".join(
        f'<li><a href="{path}">{name}</a> <code>{path}</code></li>' for name, path in _LINKS.items()
    )
    style = "body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
    return HTMLResponse(
        f"<!doctype html><html lang=en><title>BeTrace</title><style>{style}</style><h1>BeTrace</h1>"
        f"<p>Traces that broke a rule, as they stream past.</p><ul>{links}</ul>"
        "<p>Violations are filtered by <code>severity ruleId traceId service status mode from to</code>: "
        '<a href="/api/violations?severity=critical"><code>?severity=critical</code></a>.</p></html>'
    )


async def healthy(_request: Request) -> Response:
    """The process is alive."""
    return JSONResponse({"status": "alive"})


async def metrics(_request: Request) -> Response:
    """Prometheus."""
    return PlainTextResponse(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


def rule_json(rule: Rule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        "id": rule.id,
        "name": rule.name,
        "description": rule.description,
        "severity": rule.severity,
        "enabled": rule.enabled,
        "mode": rule.mode,
        "onIncomplete": rule.on_incomplete,
        "condition": rule.condition,
        "message": rule.message,
        "labels": dict(rule.labels),
        "compliance": [control._asdict() for control in rule.compliance],
        "runbookUrl": rule.runbook_url,
        "version": rule.version,
        "updatedAt": rule.updated_at,
        "updatedBy": rule.updated_by,
        "source": rule.source,
    }


def _query(request: Request) -> Query:
    _known(request, (*_FILTERS, *_PAGE))
    given = request.query_params
    choice = partial(_choice, given.getlist)
    return Query(
        severities=choice("severity", SEVERITIES, ()),
        rule_ids=tuple(given.getlist("ruleId")),
        trace_ids=tuple(trace.lower() for trace in given.getlist("traceId")),
        services=tuple(given.getlist("service")),
        statuses=choice("status", _STATUSES, ("open",)),
        modes=choice("mode", _MODES, ("enforce",)),
        start=_time(given, "from"),
        end=_time(given, "to"),
        limit=_limit(request),
        cursor=given.get("cursor"),
    )


def _known(request: Request, names: tuple[str, ...]) -> None:
    unknown = [name for name in request.query_params if name not in names]
    if unknown:
        offered = f"there are {', '.join(names)}" if names else "there are none here"
        raise Problem(400, f"unknown parameter {unknown[0]}; {offered}")


def _choice(
    given: Callable[[str], list[str]], name: str, allowed: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    values = tuple(value.lower() for value in given(name))
    wrong = [value for value in values if value not in allowed]
    if wrong:
        raise Problem(400, f"{name}: {wrong[0]!r} is none of {', '.join(allowed)}")
    return () if "any" in values else values or default


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise Problem(400, f"limit: a number from 1 to {MAX_LIMIT}")
    return int(text)


def _time(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 15:
        return int(text) * 10**6
    try:
        return nanoseconds(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        now = datetime(2026, 1, 31, 12).isoformat()
        raise Problem(400, f"{name}: RFC 3339 with a zone, such as {now}Z, or Unix ms") from None

"""The HTTP API: violations from the index, rules as they are in force."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.index import BadCursor, Index, Query
from app.parameters import choice, known, limit, time
from app.problems import Problem, on_error, on_http, on_problem
from app.rules_api import ROUTES as RULE_ROUTES
from app.rules_api import RuleSource
from app.security import Access, Guard
from dsl.rule import SEVERITIES

_PAGE = ("limit", "cursor")
_FILTERS = ("severity", "ruleId", "traceId", "service", "status", "mode", "from", "to")
_STATUSES = ("open", "retracted", "any")
_MODES = ("enforce", "shadow", "any")


_ERRORS: dict[Any, Any] = {Problem: on_problem, HTTPException: on_http, Exception: on_error}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API serves from. `waiting` tells what it waits for before it is ready, None when it is."""

    index: Index
    rules: RuleSource
    waiting: Callable[[], str | None]
    now: Callable[[], int]
    access: Access = field(default_factory=Access)


def application(parts: Parts) -> Starlette:
    """The API."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/api/violations", violations),
            Route("/api/violations/{id}", violation),
            *RULE_ROUTES,
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        exception_handlers=_ERRORS,
        middleware=[Middleware(Guard, access=parts.access, stale=parts.waiting)],
    )
    app.state.index, app.state.rules = parts.index, parts.rules
    app.state.waiting, app.state.now = parts.waiting, parts.now
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
    known(request, ())
    index: Index = request.app.state.index
    found = await run_sync(index.find, request.path_params["id"])
    if found is None:
        raise Problem(404, f"there is no violation {request.path_params['id']}")
    return Response(found, media_type="application/json")


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


def _query(request: Request) -> Query:
    known(request, (*_FILTERS, *_PAGE))
    given = request.query_params
    one_of = partial(choice, given.getlist)
    return Query(
        severities=one_of("severity", SEVERITIES, ()),
        rule_ids=tuple(given.getlist("ruleId")),
        trace_ids=tuple(trace.lower() for trace in given.getlist("traceId")),
        services=tuple(given.getlist("service")),
        statuses=one_of("status", _STATUSES, ("open",)),
        modes=one_of("mode", _MODES, ("enforce",)),
        start=time(given, "from"),
        end=time(given, "to"),
        limit=limit(request),
        cursor=given.get("cursor"),
    )

"""The HTTP API: violations from the index, rules as they are in force."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app import clock
from app.guard import Guard
from app.index import Index, TooSlow
from app.openapi import description
from app.overview import ROUTES as OVERVIEW_ROUTES
from app.parameters import known
from app.problems import Problem, on_error, on_http, on_problem, on_slow
from app.rule_book import RuleSource
from app.rules_api import ROUTES as RULE_ROUTES
from app.security import Access
from app.trials import Trials
from app.values import ROUTES as VALUE_ROUTES
from app.violations_api import ROUTES as VIOLATION_ROUTES
from streams.redaction import DEFAULT, Redaction

_ERRORS: dict[Any, Any] = {
    Problem: on_problem,
    HTTPException: on_http,
    TooSlow: on_slow,
    Exception: on_error,
}
_WRITERS = 40  # that wait for Kafka at once, in threads of their own: reads go on meanwhile
_FOLLOWERS = 4  # streams that look into the index at once, in threads of their own too


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API serves from. `waiting` tells what it waits for before it is ready, None when it is."""

    index: Index
    rules: RuleSource
    waiting: Callable[[], str | None]
    now: Callable[[], int]
    access: Access = field(default_factory=Access)
    group: str = "betrace"  # prefix of BeTrace's topics
    as_of: Callable[[], int | None] = lambda: None  # when the index last had all (Unix ns)
    redaction: Redaction = DEFAULT

    def stale(self) -> str | None:
        """How old reads may be, and why; None when they are current."""
        reason, at = self.waiting(), self.as_of()
        if reason is None:
            return None
        since = clock.text(at) if at is not None else "unknown"
        return f"as of {since}; {reason}"


def application(parts: Parts) -> Starlette:
    """The API."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/api/openapi.json", openapi),
            *VIOLATION_ROUTES,
            *RULE_ROUTES,
            *OVERVIEW_ROUTES,
            *VALUE_ROUTES,
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        exception_handlers=_ERRORS,
        middleware=[Middleware(Guard, access=parts.access, stale=parts.stale)],
    )
    app.state.index, app.state.rules = parts.index, parts.rules
    app.state.waiting, app.state.now, app.state.group = parts.waiting, parts.now, parts.group
    app.state.streams = 0  # that are open
    app.state.trials, app.state.redaction = Trials(), parts.redaction
    app.state.writers, app.state.followers = CapacityLimiter(_WRITERS), CapacityLimiter(_FOLLOWERS)
    return app


def worker_application(waiting: Callable[[], str | None], redaction: Redaction = DEFAULT) -> Starlette:
    """What a worker shows of itself."""
    routes = [Route("/healthz", healthy), Route("/readyz", ready), Route("/metrics", metrics)]
    app = Starlette(routes=routes, exception_handlers=_ERRORS)
    app.state.waiting, app.state.redaction = waiting, redaction
    return app


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


async def openapi(request: Request) -> Response:
    """What all this is, for programs."""
    known(request, ())
    return JSONResponse(description())


async def healthy(_request: Request) -> Response:
    """The process is alive."""
    return JSONResponse({"status": "alive"})


async def metrics(_request: Request) -> Response:
    """Prometheus."""
    return PlainTextResponse(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

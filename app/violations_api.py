"""The routes of `/api/violations`: pages, one, counts, and the stream of new ones."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.counts import KINDS, MAX_POINTS, Counts, series
from app.index import Index
from app.parameters import choice, duration, known, limit, time
from app.problems import Problem
from app.query import BadCursor, Query, words
from dsl.rule import SEVERITIES
from streams.topics import Topics

_FILTERS = (
    "severity", "ruleId", "traceId", "service", "status", "mode", "complete", "label", "framework", "control",
    "q", "from", "to",
)  # fmt: skip
_STATUSES = ("open", "retracted", "any")
_MODES = ("enforce", "shadow", "any")
_HEARTBEAT = 15.0  # seconds
_LOOK = 0.2  # seconds between two looks for new violations
_STREAMS = 100  # at once
_AT_ONCE = 500  # events of a partition before the next look


async def page(request: Request) -> Response:
    """A page of what the filters match, newest first."""
    known(request, (*_FILTERS, "limit", "cursor"))
    query = replace(_query(request), limit=limit(request), cursor=request.query_params.get("cursor"))
    try:
        found = await run_sync(_index(request).page, query)
    except BadCursor:
        raise Problem(400, "cursor: not one that this API gave; leave it out to begin anew") from None
    text = f'{{"items":[{",".join(found.items)}],"nextCursor":{json.dumps(found.next_cursor)}}}'
    return Response(text, media_type="application/json")


async def one(request: Request) -> Response:
    """One violation."""
    known(request, ())
    found = await run_sync(_index(request).find, request.path_params["id"])
    if found is None:
        raise Problem(404, f"there is no violation {request.path_params['id']}")
    return Response(found, media_type="application/json")


async def counts(request: Request) -> Response:
    """Numbers in buckets of time; without times the last day, in hours."""
    known(request, (*_FILTERS, "step", "by"))
    query, given = _query(request), request.query_params
    end = query.end if query.end is not None else request.app.state.now()
    start = query.start if query.start is not None else max(0, end - 86_400 * 10**9)
    if start > end:
        raise Problem(400, "from: it is after 'to'")
    by = given.get("by")
    if by is not None and by not in KINDS:
        raise Problem(400, f"by: {by[:100]!r} is none of {', '.join(KINDS)}")
    step = duration(given.get("step", "1h"), "step")
    if (end - start) // step > MAX_POINTS:
        raise Problem(400, f"step: that makes more than {MAX_POINTS:,} points; take a longer one")
    wanted = Counts(replace(query, start=start, end=end), step, by)
    return JSONResponse({"series": await run_sync(series, _index(request), wanted)})


async def stream(request: Request) -> Response:
    """New violations as server-sent events; an event's id resumes after it, here or at another replica."""
    known(request, _FILTERS)
    query = _query(request)
    if query.start is not None or query.end is not None:
        raise Problem(400, "from, to: a stream is of what comes from now on, or after Last-Event-ID")
    state = request.app.state
    topic = Topics(state.group).violations
    last = request.headers.get("last-event-id")
    places = _places(last) if last else await run_sync(_index(request).offsets, topic)
    if state.streams >= _STREAMS:
        raise Problem(503, f"{_STREAMS} streams are open already", {"retry-after": "10"})
    events = _events(request, query, places)
    return StreamingResponse(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _events(request: Request, query: Query, places: dict[int, int]) -> AsyncIterator[str]:
    """A client that reads slowly is waited for; what comes meanwhile waits in the index."""
    index, state = _index(request), request.app.state
    seen, quiet = -1, 0.0
    state.streams += 1
    try:
        yield f"retry: 2000\nid: {_event_id(places)}\n\n"
        while not await request.is_disconnected():
            if index.changes != seen:
                seen = index.changes
                found = await run_sync(partial(index.since, places, query, _AT_ONCE))
                for each in found:
                    places[each.partition] = each.offset + 1
                    quiet = 0.0
                    yield f"id: {_event_id(places)}\nevent: violation\ndata: {each.body}\n\n"
                if len(found) >= _AT_ONCE:
                    seen = -1
                    continue
                for partition in await run_sync(index.offsets, Topics(state.group).violations):
                    places.setdefault(partition, 0)
            await asyncio.sleep(_LOOK)
            quiet += _LOOK
            if quiet >= _HEARTBEAT:
                quiet = 0.0
                yield ": heartbeat\n\n"
    finally:
        state.streams -= 1


def _event_id(places: dict[int, int]) -> str:
    """The next offset of each partition."""
    return ",".join(f"{partition}-{offset}" for partition, offset in sorted(places.items())) or "-"


def _places(text: str) -> dict[int, int]:
    try:
        if text == "-":
            return {}
        pairs = [part.split("-") for part in text.split(",")]
        return {int(partition): int(offset) for partition, offset in pairs if 0 <= int(offset) < 2**62}
    except ValueError:
        raise Problem(400, "Last-Event-ID: not one that this API gave") from None


ROUTES = [
    Route("/api/violations", page),
    Route("/api/violations/counts", counts),
    Route("/api/violations/stream", stream),
    Route("/api/violations/{id}", one),
]


def _index(request: Request) -> Index:
    index: Index = request.app.state.index
    return index


def _query(request: Request) -> Query:
    given = request.query_params
    one_of = partial(choice, given.getlist)
    complete = one_of("complete", ("true", "false", "any"), ())
    return Query(
        severities=one_of("severity", SEVERITIES, ()),
        rule_ids=tuple(given.getlist("ruleId")),
        trace_ids=tuple(trace.lower() for trace in given.getlist("traceId")),
        services=tuple(given.getlist("service")),
        statuses=one_of("status", _STATUSES, ("open",)),
        modes=one_of("mode", _MODES, ("enforce",)),
        complete=None if len(set(complete)) != 1 else complete[0] == "true",
        labels=_labels(given.getlist("label")),
        frameworks=tuple(framework.lower() for framework in given.getlist("framework")),
        controls=tuple(given.getlist("control")),
        words=tuple(dict.fromkeys(word for text in given.getlist("q") for word in words(text)))[:20],
        start=time(given, "from"),
        end=time(given, "to"),
    )


def _labels(given: list[str]) -> dict[str, tuple[str, ...]]:
    labels: dict[str, tuple[str, ...]] = {}
    for text in given:
        key, colon, value = text.partition(":")
        if not colon or not key:
            raise Problem(400, "label: a key and its value, label=team:payments")
        labels[key] = (*labels.get(key, ()), value)
    return labels

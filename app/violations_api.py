"""The routes of `/api/violations`: pages, one, counts, and the stream of new ones."""

import json
from dataclasses import replace

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.counts import KINDS, MAX_POINTS, Counts, series
from app.index import Index
from app.parameters import BAD_CURSOR, FILTERS, duration, filters, known, limit
from app.problems import Problem
from app.query import BadCursor
from app.stream import stream


async def page(request: Request) -> Response:
    """A page of what the filters match, newest first."""
    known(request, (*FILTERS, "limit", "cursor"))
    query = replace(filters(request), limit=limit(request), cursor=request.query_params.get("cursor"))
    try:
        found = await run_sync(_index(request).page, query)
    except BadCursor:
        raise Problem(400, BAD_CURSOR) from None
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
    known(request, (*FILTERS, "step", "by"))
    query, given = filters(request), request.query_params
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


ROUTES = [
    Route("/api/violations", page),
    Route("/api/violations/counts", counts),
    Route("/api/violations/stream", stream),
    Route("/api/violations/{id}", one),
]


def _index(request: Request) -> Index:
    index: Index = request.app.state.index
    return index

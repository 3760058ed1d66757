"""The stream of new violations as server-sent events, with its resumption and its bounds."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.index import Index
from app.parameters import FILTERS, filters, known
from app.problems import Problem, problem_response
from app.query import Query
from streams.topics import Topics

HEARTBEAT = 15.0  # seconds
_LOOK = 0.2  # seconds between two looks for new violations
STREAMS = 100  # at once
_AT_ONCE = 20  # events in memory before the client has taken them
_PLACE = re.compile(r"([0-9]{1,6})-([0-9]{1,18})")


async def stream(request: Request) -> Response:
    """New violations; an event's id resumes after it, here or at another replica."""
    known(request, FILTERS)
    query = filters(request)
    if query.start is not None or query.end is not None:
        raise Problem(400, "from, to: a stream is of what comes from now on, or after Last-Event-ID")
    last = request.headers.get("last-event-id")
    topic = Topics(request.app.state.group).violations
    places = _places(last) if last else await run_sync(request.app.state.index.offsets, topic)
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return _Stream(request, query, places)


class _Stream(StreamingResponse):
    """An open stream; it counts as one until it ends, however it ends."""

    def __init__(self, request: Request, query: Query, places: dict[int, int]) -> None:
        events = _events(request.app.state, query, places)
        super().__init__(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self.state = request.app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client is gone."""
        if self.state.streams >= STREAMS:
            refused = problem_response(503, f"{STREAMS} streams are open already: try again later")
            refused.headers["retry-after"] = "10"
            await refused(scope, receive, send)
            return
        self.state.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.state.streams -= 1


async def _events(state: Any, query: Query, places: dict[int, int]) -> AsyncIterator[str]:
    """A client that reads slowly is waited for, until `app.connection` gives it up.

    What comes meanwhile waits in the index, so that a client costs no more than `_AT_ONCE` events.
    """
    index: Index = state.index
    topic = Topics(state.group).violations
    seen, quiet = -1, 0.0
    yield f"retry: 2000\nid: {_event_id(places)}\n\n"
    while True:
        if index.changes != seen:
            changes = index.changes
            look = partial(index.since, topic, places, query, _AT_ONCE)
            news = await run_sync(look, limiter=state.followers)
            for each in news.found:
                places[each.partition] = each.offset + 1
                quiet = 0.0
                yield f"id: {_event_id(places)}\nevent: violation\ndata: {each.body}\n\n"
            places |= news.reached
            seen = changes if news.whole else seen
            continue
        await asyncio.sleep(_LOOK)
        quiet += _LOOK
        if quiet >= HEARTBEAT:
            quiet = 0.0
            yield f": heartbeat\nid: {_event_id(places)}\n\n"


def _event_id(places: Mapping[int, int]) -> str:
    """The next offset of each partition."""
    return ",".join(f"{partition}-{offset}" for partition, offset in sorted(places.items())) or "-"


def _places(text: str) -> dict[int, int]:
    if text == "-":
        return {}
    found = [_PLACE.fullmatch(part) for part in text.split(",")]
    if not all(found):
        raise Problem(400, "Last-Event-ID: not one that this API gave; leave it out to begin now")
    return {int(match[1]): int(match[2]) for match in found if match}

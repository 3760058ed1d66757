"""The route of `/api/activity`: what every rule came to in the last days."""

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.activity import day_json, overview_of
from app.parameters import known, limit, methods
from app.problems import Problem

_MOST = 90  # days


async def overview(request: Request) -> Response:
    """A page of rules by id, with the last day of each and its sums."""
    known(request, ("days", "limit", "cursor"))
    count, after = limit(request), request.query_params.get("cursor", "")
    statement = overview_of(request.app.state.now(), _days(request), after, count + 1)
    rows = await run_sync(request.app.state.index.rows, *statement)
    found = [day_json(row, "ruleId", "day") for row in rows[:count]]
    following = found[-1]["ruleId"] if len(rows) > count else None
    return JSONResponse({"items": found, "nextCursor": following})


def _days(request: Request) -> int:
    given = request.query_params.get("days", "1")
    if not (given.isascii() and given.isdigit() and len(given) < 4 and 1 <= int(given) <= _MOST):
        raise Problem(400, f"days: a number from 1 to {_MOST}")
    return int(given)


ROUTES = [methods("/api/activity", GET=overview)]

"""The route of `/api/values`: what a filter or a rule may name, as it came lately."""

from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.activity import OF_SPANS
from app.index import Index
from app.parameters import known, limit
from app.problems import Problem

OF_VIOLATIONS = ("service", "label", "framework", "control")
KINDS = (*OF_VIOLATIONS, *OF_SPANS)
_END = "\U0010ffff"
_NEXT = "SELECT MIN(value) FROM {table} WHERE kind = ? AND value {sign} ? AND value < ?"
_WALK = """
WITH RECURSIVE found(value) AS (
    SELECT ({first}) UNION ALL SELECT ({following}) FROM found WHERE value IS NOT NULL
) SELECT value FROM found WHERE value IS NOT NULL LIMIT ?
"""  # from each value to the next, past all of its violations


def values(index: Index, kind: str, prefix: str, after: str, count: int) -> list[str]:
    """At most so many values of a kind that begin so, in order, behind another."""
    table = "facets" if kind in OF_VIOLATIONS else "seen"
    end = prefix + _END
    sign, start = (">", after) if after > prefix else (">=", prefix)
    first = _NEXT.format(table=table, sign=sign)
    following = first.replace("value > ?" if sign == ">" else "value >= ?", "value > found.value")
    text = _WALK.format(first=first, following=following)
    return [row[0] for row in index.rows(text, [kind, start, end, kind, end, count])]


async def listed(request: Request) -> Response:
    """A page of the values of a kind, in their order."""
    known(request, ("prefix", "limit", "cursor"))
    kind, given = request.path_params["kind"], request.query_params
    if kind not in KINDS:
        raise Problem(404, f"there are no values of {kind[:100]!r}; there are {', '.join(KINDS)}")
    count = limit(request)
    index: Index = request.app.state.index
    asked = (index, kind, given.get("prefix", ""), given.get("cursor", ""), count + 1)
    found = await run_sync(values, *asked)
    answer: dict[str, Any] = {"items": found[:count], "nextCursor": None}
    if len(found) > count:
        answer["nextCursor"] = found[count - 1]
    return JSONResponse(answer)


ROUTES = [Route("/api/values/{kind}", listed)]

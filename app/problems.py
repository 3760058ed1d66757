"""Errors as RFC 9457 problem bodies."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streams.redaction import DEFAULT, Redaction

HEADERS = {  # of every answer
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


class Problem(Exception):
    """An answer other than the one asked for: its HTTP status, and a sentence on what to do."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def problem_response(
    status: int, detail: str, more: Mapping[str, object] | None = None, redaction: Redaction = DEFAULT
) -> Response:
    """A problem body; `more` are members beside the standard's. What it quotes is redacted."""
    detail = redaction.text(detail)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= more or {}
    return JSONResponse(body, status, media_type="application/problem+json")


async def on_problem(request: Request, problem: Exception) -> Response:
    """Answer a `Problem`."""
    assert isinstance(problem, Problem)
    response = problem_response(problem.status, problem.detail, problem.more, request.app.state.redaction)
    response.headers.update(problem.headers)
    return response


async def on_http(request: Request, problem: Exception) -> Response:
    """Answer Starlette's own: no such route, no such method."""
    assert isinstance(problem, HTTPException)
    texts = {
        404: f"there is nothing at {request.url.path}; GET / tells what there is",
        405: f"{request.method} is not offered at {request.url.path}",
    }
    detail = texts.get(problem.status_code, problem.detail)
    response = problem_response(problem.status_code, detail, redaction=request.app.state.redaction)
    response.headers.update(problem.headers or {})
    return response


async def on_slow(_request: Request, _problem: Exception) -> Response:
    """Answer a question that is too much work."""
    return problem_response(422, "this takes too long: ask for a shorter time, or by a rarer filter")


async def on_error(_request: Request, _problem: Exception) -> Response:
    """Answer what nobody foresaw, without its inside."""
    return problem_response(500, "the API failed; its log tells why")

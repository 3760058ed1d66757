"""What every request passes: who may come in, what may be sent and how slowly, and the headers of answers."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import HEADERS, Problem, problem_response
from app.security import Access, Caller, Rates
from streams import acts

MAX_BODY = 1 << 20  # bytes
MAX_IMPORT = 32 << 20  # bytes of rule files
SECONDS = 30.0  # for a body to come
_REFUSALS = (401, 403)
_READS = ("GET", "HEAD", "OPTIONS")
_ALWAYS = ("/healthz", "/readyz", "/metrics", "/", "/api/openapi.json")
_TRIALS = ("/api/rules/validate", "/api/rules/format", "/api/rules/test")  # change nothing


class Guard:
    """ASGI middleware: lets in who may come in, bounds what is sent, sets the headers.

    `stale` tells how old reads may be, None when they are current.
    """

    def __init__(self, app: ASGIApp, access: Access, stale: Callable[[], str | None]) -> None:
        self.app = app
        self.access = access
        self.stale = stale
        self.rates = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, self.stale)
        try:
            _check_text(scope)
            self._admit(scope)
            most = MAX_IMPORT if scope["path"] == "/api/rules/import" else MAX_BODY
            body = _Body(receive, most, SECONDS)
            body.check(Headers(scope=scope))
            await self.app(scope, body.receive, answer.send)
        except ClientDisconnect:
            return
        except Problem as problem:
            if problem.status in _REFUSALS:
                acts.record(acts.ACCESS_REFUSED)
            await answer.instead(problem, scope, receive)
        except Exception:
            await answer.instead(Problem(500, "the API failed; its log tells why"), scope, receive)
            raise

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["path"] in _ALWAYS:
            return
        caller = self.access.caller(headers)
        if caller is None:
            raise Problem(401, "a token is needed: Authorization: Bearer …", {"www-authenticate": "Bearer"})
        scope["state"] = {**scope.get("state", {}), "caller": caller}
        if scope["method"] not in _READS and scope["path"] not in _TRIALS:
            self._check_write(caller, headers)

    def _check_write(self, caller: Caller, headers: Headers) -> None:
        if self.access.tokens is None and _is_foreign(headers):
            raise Problem(403, "pages of other sites may not write here: leave out Origin, or use a token")
        if caller.role != "editor":
            raise Problem(403, f"{caller.name} may read only: an editor's token is needed")
        if not self.rates.take(caller.name):
            raise Problem(429, "too many writes at once: go on more slowly", {"retry-after": "1"})


def _check_text(scope: Scope) -> None:
    """Refuse a path or a query that is not UTF-8, which would be read as something else."""
    for what, given in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        try:
            found = unquote_to_bytes(given).decode("utf-8")
        except UnicodeDecodeError:
            raise Problem(400, f"the {what} is not UTF-8 with percent-encoding") from None
        if "\0" in found:
            raise Problem(400, f"the {what} holds the character 0")


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site has a browser send this: where no token is needed, it would do harm."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


@dataclass(slots=True)
class _Answer:
    """An answer on its way, with the headers that all have."""

    inner: Send
    stale: Callable[[], str | None]
    begun: bool = False

    async def send(self, message: Message) -> None:
        """Send the next part."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if (reason := self.stale()) is not None:
                headers["betrace-stale"] = json.dumps(reason)[1:-1]
        await self.inner(message)

    async def instead(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Answer a problem, if nothing else was answered yet."""
        if not self.begun:
            response = problem_response(problem.status, problem.detail, problem.more)
            response.headers.update(problem.headers)
            await response(scope, receive, self.send)


@dataclass(slots=True)
class _Body:
    """A request's body, up to a size and a time."""

    inner: Receive
    limit: int
    seconds: float  # that are left
    read: int = 0
    whole: bool = False

    def check(self, headers: Headers) -> None:
        """Refuse by the length that is told."""
        length = headers.get("content-length", "0")
        if re.fullmatch("[0-9]{1,18}", length) is None or int(length) > self.limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part; after the whole, whatever else comes of the connection."""
        if self.whole:
            return await self.inner()
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.seconds):
                message = await self.inner()
        except TimeoutError:
            raise Problem(408, "the body did not come in time: send it at once") from None
        self.seconds -= asyncio.get_running_loop().time() - begun
        self.whole = not message.get("more_body", False)
        self.read += len(message.get("body", b""))
        if self.read > self.limit:
            raise self._too_large()
        return message

    def _too_large(self) -> Problem:
        return Problem(413, f"the body is larger than {self.limit:,} bytes: send less")

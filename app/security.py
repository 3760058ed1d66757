"""Who may do what, and how much of it: tokens with roles, limits, and the headers of every answer."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import UserError
from app.problems import Problem, problem_response

MAX_BODY = 1 << 20  # bytes
MAX_IMPORT = 32 << 20  # bytes of rule files
_WRITES = 50.0  # a second and caller, on average; as many at once
_CALLERS = 10_000  # whose rates are known at once
_READS = ("GET", "HEAD")
_ALWAYS = ("/healthz", "/readyz", "/metrics", "/", "/api/openapi.json")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
Role = Literal["viewer", "editor"]


class Token(BaseModel):
    """A token by the SHA-256 of its text, in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and as what."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Access:
    """The tokens that are known; with none, whoever reaches the API on loopback may do all."""

    tokens: Mapping[str, Token] | None = None
    trusted: str | None = None  # the token whose X-Grafana-User is believed

    def caller(self, headers: Headers) -> Caller | None:
        """Who asks; None for a token that is missing or unknown. Takes equally long for any token."""
        if self.tokens is None:
            return Caller("local", "editor")
        scheme, _, text = headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(text.strip().encode("utf-8", "surrogateescape")).hexdigest()
        found: Caller | None = None
        for name, token in self.tokens.items():
            if hmac.compare_digest(given, token.sha256) and scheme.lower() == "bearer":
                found = Caller(f"token:{name}", token.role)
        if found is not None and self.trusted is not None and found.name == f"token:{self.trusted}":
            user = headers.get("x-grafana-user", "")
            if user and user.isprintable() and len(user) <= 200:
                return Caller(f"grafana:{user}", found.role)
        return found


def read_tokens(file: Path) -> dict[str, Token]:
    """The tokens of a YAML file, `name: {sha256, role}`; UserError says what is wrong with it."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        tokens = TypeAdapter(dict[str, Token]).validate_python(found or {})
    except OSError as problem:
        raise UserError(f"the tokens file {file} cannot be read: {problem.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as problem:
        where = getattr(problem, "problem_mark", None)
        at = f" at line {where.line + 1}" if where else ""
        raise UserError(f"the tokens file {file} is no YAML{at}: it holds `name: {{sha256, role}}`") from None
    except ValidationError as problem:
        wrong = ", ".join(".".join(map(str, each["loc"])) for each in problem.errors())
        raise UserError(
            f"the tokens file {file}: wrong at {wrong}; it holds `name: {{sha256, role}}`"
        ) from None
    if not tokens:
        raise UserError(f"the tokens file {file} holds no token")
    return tokens


@dataclass(slots=True)
class Rates:
    """A bucket of writes for each caller."""

    now: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, caller: str) -> bool:
        """Whether the caller may write once more now."""
        now = self.now()
        left, since = self._left.pop(caller, (_WRITES, now))
        left = min(_WRITES, left + (now - since) * _WRITES)
        self._left[caller] = (max(0.0, left - 1), now)
        if len(self._left) > _CALLERS:
            self._left.pop(next(iter(self._left)))
        return left >= 1


class Guard:
    """ASGI middleware: lets in who may come in, bounds what is sent, sets the headers."""

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
        sending = self._with_headers(send)
        try:
            self._admit(scope)
            body = _Bounded(receive, MAX_IMPORT if scope["path"].endswith("/import") else MAX_BODY)
            body.check(Headers(scope=scope))
        except Problem as problem:
            await _answer(problem)(scope, receive, sending)
            return
        try:
            await self.app(scope, body.receive, sending)
        except _TooLarge as problem:
            await _answer(problem)(scope, receive, sending)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["path"] in _ALWAYS:
            return
        caller = self.access.caller(headers)
        if caller is None:
            raise Problem(401, "a token is needed: Authorization: Bearer …", {"www-authenticate": "Bearer"})
        scope["state"] = {**scope.get("state", {}), "caller": caller}
        if scope["method"] in _READS or _changes_nothing(scope["path"]):
            return
        if caller.role != "editor":
            raise Problem(403, f"{caller.name} may read only: an editor's token is needed")
        if not self.rates.take(caller.name):
            raise Problem(429, "too many writes at once: go on more slowly", {"retry-after": "1"})

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if (reason := self.stale()) is not None:
                    headers["betrace-stale"] = json.dumps(reason)[1:-1]
            await send(message)

        return sending


def _changes_nothing(path: str) -> bool:
    return path in ("/api/rules/validate", "/api/rules/test")


class _TooLarge(Problem):
    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body is larger than {limit:,} bytes")


@dataclass(slots=True)
class _Bounded:
    """A request's body, up to a limit."""

    inner: Receive
    limit: int
    read: int = 0

    def check(self, headers: Headers) -> None:
        """Refuse by the length that is told."""
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.limit:
            raise _TooLarge(self.limit)

    async def receive(self) -> Message:
        """The next part."""
        message = await self.inner()
        self.read += len(message.get("body", b""))
        if self.read > self.limit:
            raise _TooLarge(self.limit)
        return message


def _answer(problem: Problem) -> ASGIApp:
    response = problem_response(problem.status, problem.detail)
    response.headers.update(problem.headers)
    return response

"""Who may do what, and how often: tokens with roles, and a rate of writes for each caller."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers

from app.errors import UserError
from app.problems import Problem

_WRITES = 50.0  # a second and caller, on average; as many at once
_CALLERS = 10_000  # whose rates are known at once
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
        given = hashlib.sha256(text.strip().encode("latin-1", "replace")).hexdigest()
        found: Caller | None = None
        for name, token in self.tokens.items():
            if hmac.compare_digest(given, token.sha256) and scheme.lower() == "bearer":
                found = Caller(f"token:{name}", token.role)
        if found is not None and self.trusted is not None and found.name == f"token:{self.trusted}":
            return _named(found, headers.get("x-grafana-user", ""))
        return found


def _named(caller: Caller, given: str) -> Caller:
    """The caller by the name of its user, which came as UTF-8; Problem for a name that is none."""
    try:
        user = given.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "X-Grafana-User: a name in UTF-8 is needed") from None
    if len(user) > 200 or not user.isprintable():
        raise Problem(400, "X-Grafana-User: a name of at most 200 printable characters is needed")
    return Caller(f"grafana:{user}", caller.role) if user else caller


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

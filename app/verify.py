"""`betrace verify`: whether the signatures of stored spans hold."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.errors import UserError
from streams.otlp import WireError
from streams.signature import Place
from streams.signature_check import Keys, Policy, Reason, Result, check
from streams.trace_files import Problem, TracesPiece, read

Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A span and what came of it."""

    span: Span
    result: Result

    def as_json(self) -> dict[str, Any]:
        return {
            "traceId": self.span.trace_id.hex(),
            "spanId": self.span.span_id.hex(),
            "verified": self.result.verified,
            "reason": str(self.result.reason),
            "keyId": self.result.key_id or None,
        }


@dataclass(slots=True)
class Verification:
    """Verifies files, and keeps what it came to."""

    keys: Keys
    policy: Policy
    now: float
    allow_unsigned: bool = False
    problems: list[str] = field(default_factory=list)
    reasons: Counter[Reason] = field(default_factory=Counter)

    def spans(self, files: Iterable[str]) -> Iterator[Checked]:
        """Every span of the files with its result, in order."""
        for file in files:
            try:
                for piece in read(file):
                    if isinstance(piece, Problem):
                        self.problems.append(str(piece))
                    else:
                        yield from self._piece(piece)
            except WireError as problem:
                self.problems.append(str(problem))

    def _piece(self, piece: TracesPiece) -> Iterator[Checked]:
        for place, span in placed(piece):
            result = check(place, span, self.keys, self.policy, self.now)
            self.reasons[result.reason] += 1
            yield Checked(span, result)

    def passes(self, reason: Reason) -> bool:
        """Whether spans with this result leave the exit code at 0."""
        return reason is Reason.OK or (reason is Reason.MISSING and self.allow_unsigned)

    def code(self) -> int:
        """0: all verified, 1: some not, 2: bad input, or a key that could not be had."""
        if self.problems or Reason.KEY_UNAVAILABLE in self.reasons:
            return 2
        return 0 if all(self.passes(reason) for reason in self.reasons) else 1


def placed(piece: TracesPiece) -> Iterator[tuple[Place, Span]]:
    """The spans of a request, each with where it stands."""
    for resource in piece.request.resource_spans:
        for scope in resource.scope_spans:
            place = Place(resource.resource, scope.scope, resource.schema_url, scope.schema_url)
            for span in scope.spans:
                yield place, span


def tell_json(verification: Verification, files: Iterable[str], every: bool, echo: Echo) -> None:
    """One object, with the spans that are not verified, or all."""
    checked = verification.spans(files)
    shown = [each.as_json() for each in checked if every or not verification.passes(each.result.reason)]
    spans, verified = verification.reasons.total(), verification.reasons[Reason.OK]
    echo(json.dumps({"spans": spans, "verified": verified, "results": shown}))


def tell_text(verification: Verification, files: Iterable[str], every: bool, echo: Echo) -> None:
    """A line a span, and a line for all."""
    for each in verification.spans(files):
        if every or not verification.passes(each.result.reason):
            key = f" (key {each.result.key_id})" if each.result.key_id else ""
            ids = f"{each.span.trace_id.hex()} {each.span.span_id.hex()}"
            echo(f"{ids} {each.result.reason}{key}: {each.span.name}")
    spans, verified = verification.reasons.total(), verification.reasons[Reason.OK]
    others = "".join(
        f", {count:,} {reason}"
        for reason, count in sorted(verification.reasons.items())
        if reason is not Reason.OK
    )
    echo(f"{spans:,} spans, {verified:,} verified{others}")


def tenants(pairs: Iterable[str]) -> dict[str, str]:
    """The tenants of key names, of options such as `team-a=a`; `default` is nobody's if none is given."""
    found = {}
    for pair in pairs:
        name, separator, tenant = pair.partition("=")
        if not name or not separator:
            raise UserError(f"--key-name {pair}: give the name of the key and its tenant, such as team-a=a")
        found[name] = tenant
    return found or {"default": ""}

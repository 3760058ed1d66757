"""What a rule says of a trace."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dsl.rule import Rule
from dsl.said import Said, plain
from dsl.trace import Span

MAX_EVIDENCE = 20
MAX_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span that bears a verdict out, its role, and those of its attributes that the rule names."""

    span: Span
    role: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach: for a rule that names spans in `when`, one for each combination that broke it."""

    id: str
    clause: str
    evidence: tuple[Evidence, ...]
    span_total: int
    missing: tuple[str, ...]
    said: Said

    @property
    def message(self) -> str:
        """The message with all values as they are: what leaves is said through `streams.redaction`."""
        return plain(self.said)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule came to on one trace; `reason` tells of an error."""

    rule: Rule
    outcome: str
    complete: bool
    violations: tuple[Violation, ...] = ()
    reason: str | None = None
    truncated: bool = False
    mismatches: int = 0
    cut_off: str | None = None  # of what there was too much, if it could not be judged to the end: steps, …

    @property
    def clause(self) -> str | None:
        """The clause that decided, of the first violation."""
        return self.violations[0].clause if self.violations else None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the first violation lacks."""
        return self.violations[0].missing if self.violations else ()


def violation_id(rule_id: str, trace_id: bytes, bound: Iterable[tuple[str, bytes]]) -> str:
    """32 hex digits: half of SHA-256 of the compact JSON [rule, trace, [[alias, span], ...sorted]]."""
    spans = sorted([alias, span_id.hex()] for alias, span_id in bound)
    text = json.dumps([rule_id, trace_id.hex(), spans], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()[:16].hex()

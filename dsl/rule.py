"""A rule as a person wrote it, and what may be said against it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SEVERITIES = ("critical", "high", "medium", "low", "info")
MODES = ("enforce", "shadow")
ON_INCOMPLETE = ("judge", "skip")
VERDICTS = ("violated", "satisfied", "not_applicable", "skipped", "error")


class Control(NamedTuple):
    """A control of a compliance framework, as that framework writes it."""

    framework: str
    control: str


class Place(NamedTuple):
    """Where in a file, counted from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem at a place. `str()` is `file:line:column: error: message`."""

    message: str
    file: str
    start: Place
    end: Place
    source_line: str = ""
    suggestion: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.start.line}:{self.start.column}: {self.severity}: {self.message}"

    def render(self) -> str:
        """The problem, its line, and a caret under the place."""
        if not self.source_line:
            return str(self)
        width = max(1, self.end.column - self.start.column) if self.end.line == self.start.line else 1
        margin = "".join("\t" if c == "\t" else " " for c in self.source_line[: self.start.column - 1])
        return f"{self}\n  {self.source_line}\n  {margin}{'^' * width}"


@dataclass(frozen=True, slots=True)
class Test:
    """A test of a rule: a trace in the short form, or a file of one, and the verdict it must have."""

    name: str
    expect: str
    trace: tuple[Mapping[str, Any], ...] = ()
    trace_file: str | None = None
    violations: int | None = None
    clause: str | None = None
    missing: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    id: str
    condition: str
    name: str = ""
    description: str = ""
    severity: str = "medium"
    enabled: bool = True
    mode: str = "enforce"
    on_incomplete: str = "judge"
    message: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    compliance: tuple[Control, ...] = ()
    runbook_url: str | None = None
    tests: tuple[Test, ...] = ()
    version: int = 1
    source: str = "file"
    updated_at: str | None = None
    updated_by: str | None = None

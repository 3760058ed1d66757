"""Rule files: YAML to rules, with every problem at its place in the file."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from dsl.compile import check
from dsl.parse import ParseError, parse
from dsl.places import Lines, indices
from dsl.rule import MODES, ON_INCOMPLETE, SEVERITIES, VERDICTS, Control, Diagnostic, Place, Rule, Test
from dsl.scope import Problem

MAX_RULES = 10_000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_OLDER_KEYS = ("compliance_frameworks", "example_violation")
_KEYS = (
    "id",
    "name",
    "description",
    "severity",
    "enabled",
    "mode",
    "on_incomplete",
    "condition",
    "message",
    "labels",
    "compliance",
    "runbook_url",
    "tests",
    *_OLDER_KEYS,
)
_JSON_KEYS = {
    "onIncomplete": "on_incomplete",
    "runbookUrl": "runbook_url",
    "updatedAt": None,
    "updatedBy": None,
    "version": None,
    "source": None,
}
_TEST_KEYS = ("name", "trace", "traceFile", "expect", "violations", "clause", "missing")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rules that are right, and all that was found."""

    rules: tuple[Rule, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


def load(files: Iterable[tuple[str, str]]) -> Loaded:
    """Read rule files, given as (name, text). Ids are unique over all of them."""
    rules: list[Rule] = []
    diagnostics: list[Diagnostic] = []
    ids: set[str] = set()
    for name, text in files:
        reader = _Reader(name, text, ids)
        rules += reader.rules()
        diagnostics += sorted(reader.found, key=lambda d: (d.start.line, d.start.column))
    return Loaded(tuple(rules), tuple(diagnostics))


def rule_of(
    value: Mapping[str, Any],
    *,
    version: int,
    source: str,
    at: str | None = None,
    by: str | None = None,
) -> tuple[Rule | None, tuple[Diagnostic, ...]]:
    """A rule from its JSON form; the diagnostics count lines in its condition."""
    named = {
        name: item
        for key, item in value.items()
        if item is not None and (name := _JSON_KEYS.get(key, key)) is not None
    }
    reader = _Reader("rule", "", set())
    rule = reader.rule(_Plain(named), version, source)
    return rule and replace(rule, updated_at=at, updated_by=by), tuple(reader.found)


@dataclass(frozen=True, slots=True)
class _Plain:
    """A mapping without places."""

    value: Mapping[str, Any]

    def items(self) -> Iterator[tuple[str, Any, Any, Any]]:
        for key, item in self.value.items():
            yield key, item, None, None


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A YAML mapping node."""

    node: yaml.MappingNode

    def items(self) -> Iterator[tuple[str, Any, Any, Any]]:
        for key, item in self.node.value:
            yield str(key.value), _plain(item), key, item


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


@dataclass(slots=True)
class _Reader:
    file: str
    text: str
    ids: set[str]
    found: list[Diagnostic] = field(default_factory=list)
    _lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self._lines = Lines(self.text)

    def rules(self) -> Iterator[Rule]:
        try:
            root = yaml.compose(self.text, yaml.SafeLoader)
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark else None
            said = f"{problem.problem or problem.context}"
            hint = " (YAML is indented with spaces, not with tabs)" if "\\t" in said else ""
            self._say(f"not YAML: {said}{hint}", place)
            return
        except (yaml.YAMLError, RecursionError) as problem:
            self._say(f"not YAML: {problem}", None)
            return
        if root is None:
            return
        yield from self._listed(root)

    def _listed(self, root: yaml.Node) -> Iterator[Rule]:
        if not isinstance(root, yaml.MappingNode):
            self._say("a rule file is a mapping with 'rules:'", _place(root))
            return
        for key, item in root.value:
            if key.value != "rules":
                self._unknown(key, key.value, ("rules",))
            elif not isinstance(item, yaml.SequenceNode):
                self._say("'rules' is a list", _place(item))
            else:
                for number, each in enumerate(item.value):
                    rule = self._one(each, number)
                    if rule is not None:
                        yield rule

    def _one(self, node: yaml.Node, number: int) -> Rule | None:
        if number >= MAX_RULES:
            if number == MAX_RULES:
                self._say(f"more than {MAX_RULES} rules", _place(node))
            return None
        if not isinstance(node, yaml.MappingNode):
            self._say("a rule is a mapping with 'id' and 'condition'", _place(node))
            return None
        try:
            return self.rule(_Mapped(node), 1, "file", node)
        except yaml.YAMLError as problem:
            self._say(f"not YAML: {getattr(problem, 'problem', problem)}", _place(node))
            return None

    def rule(self, given: "_Plain | _Mapped", version: int, source: str, whole: Any = None) -> Rule | None:
        before = len(self.found)
        values: dict[str, Any] = {}
        places: dict[str, Any] = {}
        for key, item, key_node, node in given.items():
            if key not in _KEYS:
                self._unknown(key_node, key, _KEYS)
            elif key in values:
                self._say(f"'{key}' stands twice", _place(key_node))
            else:
                values[key], places[key] = item, node
        for key in ("id", "condition"):
            if key not in values:
                self._say(f"a rule needs '{key}'", _place(whole))
        kept = {
            key: made
            for key, item in values.items()
            if (made := self._value(key, item, places[key])) is not None
        }
        if len(self.found) > before and "condition" not in kept:
            return None
        rule = Rule(**{"id": "", **kept, "version": version, "source": source})
        if not rule.name:
            rule = Rule(**{"id": "", **kept, "name": rule.id, "version": version, "source": source})
        self._condition(rule, places.get("condition"))
        return rule if not any(d.severity == "error" for d in self.found[before:]) else None

    def _value(self, key: str, item: Any, node: Any) -> Any:
        if key in _OLDER_KEYS:
            self._say(f"'{key}' is an older key and has no effect", _place(node), severity="warning")
            return None
        made, problem = _READ[key](item)
        if problem:
            self._say(f"'{key}' {problem}", _place(node))
            return None
        if key == "id":
            if made in self.ids:
                self._say(f"the id '{made}' is used twice", _place(node))
            self.ids.add(made)
        return made

    def _condition(self, rule: Rule, node: Any) -> None:
        try:
            parsed = parse(rule.condition)
        except ParseError as refused:
            self._at(node, rule.condition, refused.problem)
            return
        for problem in check(rule, parsed)[1]:
            self._at(node, rule.condition, problem)

    def _at(self, node: Any, text: str, problem: Problem) -> None:
        lines = self._lines if node is not None else Lines(text)
        found = indices(node, text, self.text) if node is not None else range(len(text) + 1)
        start, end = (lines.place(found[min(at, len(text))]) for at in (problem.start, problem.end))
        line = lines.line(start.line)
        self.found.append(
            Diagnostic(problem.message, self.file, start, end, line, problem.suggestion, problem.severity)
        )

    def _unknown(self, node: Any, key: str, known: Iterable[str]) -> None:
        near = difflib.get_close_matches(key, list(known), 1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        self._say(f"unknown key '{key}'{hint}", _place(node), suggestion=near[0] if near else None)

    def _say(
        self, message: str, place: Place | None, *, severity: Any = "error", suggestion: str | None = None
    ) -> None:
        start = place or Place(1, 1)
        line = self._lines.line(start.line)
        end = Place(start.line, start.column + 1)
        self.found.append(Diagnostic(message, self.file, start, end, line, suggestion, severity))


def _place(node: Any) -> Place | None:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else None


Read = Callable[[Any], tuple[Any, str | None]]


def _text(item: Any) -> tuple[Any, str | None]:
    return (item, None) if isinstance(item, str) else (None, "is text")


def _id(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, str) and _ID.fullmatch(item):
        return item, None
    return None, "is lower-case letters, digits and '-', at most 128, such as 'charge-without-check'"


def _choice(*allowed: str) -> Read:
    def read(item: Any) -> tuple[Any, str | None]:
        if isinstance(item, str) and item.lower() in allowed:
            return item.lower(), None
        return None, f"is one of {', '.join(allowed)}"

    return read


def _boolean(item: Any) -> tuple[Any, str | None]:
    return (item, None) if isinstance(item, bool) else (None, "is true or false")


def _is_plain(item: Any) -> bool:
    """Text, or a number, which YAML makes of text that looks like one."""
    return isinstance(item, str | int | float) and not isinstance(item, bool)


def _labels(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, Mapping) and all(map(_is_plain, item.values())):
        return {str(key): str(value) for key, value in item.items()}, None
    return None, "is a mapping of names to text"


def _controls(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, list) and all(map(_is_control, item)):
        return tuple(Control(str(c["framework"]).lower(), str(c["control"])) for c in item), None
    return None, "is a list of {framework, control}"


def _is_control(item: Any) -> bool:
    keys = {"framework", "control"}
    return isinstance(item, Mapping) and set(item) == keys and all(map(_is_plain, item.values()))


def _tests(item: Any) -> tuple[Any, str | None]:
    if not isinstance(item, list):
        return None, "is a list"
    tests = []
    for number, each in enumerate(item, 1):
        problem = _test_problem(each)
        if problem:
            return None, f"number {number}: {problem}"
        missing = each.get("missing")
        tests.append(
            Test(
                str(each.get("name", f"test {number}")),
                each["expect"],
                tuple(each.get("trace", ())),
                each.get("traceFile"),
                each.get("violations"),
                each.get("clause"),
                None if missing is None else tuple(missing),
            )
        )
    return tuple(tests), None


def _test_problem(each: Any) -> str | None:
    if not isinstance(each, Mapping):
        return "a test is a mapping"
    unknown = [key for key in each if key not in _TEST_KEYS]
    if unknown:
        return f"unknown key '{unknown[0]}'"
    if not isinstance(each.get("expect"), str) or each["expect"] not in VERDICTS:
        return f"'expect' is one of {', '.join(VERDICTS)}"
    if "trace" not in each and "traceFile" not in each:
        return "a test needs 'trace' or 'traceFile'"
    trace, missing = each.get("trace", []), each.get("missing", [])
    if not isinstance(trace, list) or not all(isinstance(span, Mapping) for span in trace):
        return "'trace' is a list of spans, each {name: …}"
    if not isinstance(missing, list):
        return "'missing' is a list of texts"
    if not isinstance(each.get("traceFile", ""), str):
        return "'traceFile' is the name of a file"
    return None


_READ: dict[str, Read] = {
    "id": _id,
    "name": _text,
    "description": _text,
    "severity": _choice(*SEVERITIES),
    "enabled": _boolean,
    "mode": _choice(*MODES),
    "on_incomplete": _choice(*ON_INCOMPLETE),
    "condition": _text,
    "message": _text,
    "labels": _labels,
    "compliance": _controls,
    "runbook_url": _text,
    "tests": _tests,
}

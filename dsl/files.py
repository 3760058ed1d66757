"""Rule files: YAML to rules, with every problem at its place in the file."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from dsl import older, older_text
from dsl.places import Lines, indices
from dsl.rule import Diagnostic, Place, Rule, Test
from dsl.rule_keys import READ
from dsl.scope import Problem
from dsl.yaml_nodes import compose, plain

MAX_RULES = 10_000
_JSON_KEYS = {
    "onIncomplete": "on_incomplete",
    "runbookUrl": "runbook_url",
    "updatedAt": None,
    "updatedBy": None,
    "version": None,
    "source": None,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rules that are right, and all that was found."""

    rules: tuple[Rule, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


def load(files: Iterable[tuple[str, str]]) -> Loaded:
    """Read rule files, given as (name, text). Ids are unique over all of them.

    Older forms are read, each with a warning that shows the new text.
    """
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
    reader = _Reader("rule", "", set(), older=False)
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
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is text", key.start_mark)
            yield str(key.value), plain(item), key, item


@dataclass(slots=True)
class _Reader:
    file: str
    text: str
    ids: set[str]
    older: bool = True
    found: list[Diagnostic] = field(default_factory=list)
    _lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self._lines = Lines(self.text)

    def rules(self) -> Iterator[Rule]:
        try:
            root = compose(self.text)
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark else None
            said = f"{problem.problem or problem.context}"
            hint = " (YAML is indented with spaces, not with tabs)" if "\\t" in said else ""
            self._say(f"not YAML: {said}{hint}", place)
            return
        except yaml.YAMLError as problem:
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
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in older.LISTED:
                self._say(f"'{name}' has no effect", _place(key), severity="warning")
            elif name != "rules":
                self._unknown(key, name, ("rules",))
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
            mark = getattr(problem, "problem_mark", None)
            place = Place(mark.line + 1, mark.column + 1) if mark else _place(node)
            self._say(f"not YAML: {getattr(problem, 'problem', problem)}", place)
            return None

    def rule(self, given: "_Plain | _Mapped", version: int, source: str, whole: Any = None) -> Rule | None:
        before = len(self.found)
        values, places = self._values(given)
        said = older.today(values) if self.older else older.Said(values)
        for note in said.notes:
            place = _place(places.get(note.key) or whole)
            self._say(note.message, place, severity="warning", suggestion=note.suggestion)
        places |= {key: places[moved] for key, moved in said.moved.items()}
        for key in ("id", "condition"):
            if key not in said.values:
                self._say(f"a rule needs '{key}'", _place(whole))
        kept = {
            key: made
            for key, item in said.values.items()
            if (made := self._value(key, item, places.get(key))) is not None
        }
        if "condition" not in kept:
            return None
        rule = Rule(**{"id": "", **kept, "version": version, "source": source})
        rule = replace(rule, name=rule.name or rule.id)
        marks = set(values) & set(older.KEYS)
        rule = self._condition(rule, places.get("condition"), marks)
        if any(d.severity == "error" for d in self.found[before:]):
            return None
        if marks:
            example = rule.tests[-1] if older.EXAMPLE in marks and rule.tests else None
            rule = self._both_ways(rule, places.get("condition"), example)
        return rule

    def _values(self, given: "_Plain | _Mapped") -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of the keys that there are, and where they stand."""
        values: dict[str, Any] = {}
        places: dict[str, Any] = {}
        for key, item, key_node, node in given.items():
            if key not in READ and not (self.older and key in older.KEYS):
                self._unknown(key_node, key, READ)
            elif key in values:
                self._say(f"'{key}' stands twice", _place(key_node))
            else:
                values[key], places[key] = item, node
        return values, places

    def _value(self, key: str, item: Any, node: Any) -> Any:
        made, problem = READ[key](item)
        if problem:
            self._say(f"'{key}' {problem}", _place(node))
            return None
        if key == "id":
            if made in self.ids:
                self._say(f"the id '{made}' is used twice", _place(node))
            self.ids.add(made)
        return made

    def _condition(self, rule: Rule, node: Any, marks: set[str]) -> Rule:
        """The rule, whose condition is in today's words, with what is wrong with it told."""
        found = older_text.problems(rule)
        refused = any(problem.severity == "error" for problem in found)
        try:
            made = self._today(rule, marks, refused)
        except older_text.Untold as problem:
            self._say(f"the older syntax cannot be read here: {problem}", _place(node))
            return rule
        if made is None:
            self._at(node, rule.condition, found)
            return rule
        new = f"this is the older syntax: write {older_text.on_one_line(made)}"
        self._say(new, _place(node), severity="warning", suggestion=made)
        rule = replace(rule, condition=made)
        for each in older_text.problems(rule):
            self._say(each.message, _place(node), severity=each.severity)
        return rule

    def _today(self, rule: Rule, marks: set[str], refused: bool) -> str | None:
        if not self.older:
            return None
        age = older_text.Age(likely=bool(marks), certain=bool(marks & set(older.TEXTS)))
        return older_text.today(rule, age, refused)

    def _both_ways(self, rule: Rule, node: Any, example: Test | None) -> Rule:
        """Older rules said `A and B` for 'both is wrong' and for 'A needs B': the example tells which."""
        other = older_text.invariant(rule)
        if other is None or (example and older_text.violated(rule, rule.condition, example)):
            return rule
        written = older_text.on_one_line(other)
        if example and older_text.violated(rule, other, example):
            new = f"the example of a violation is one only of an invariant: write {written}"
            self._say(new, _place(node), severity="warning", suggestion=other)
            return replace(rule, condition=other)
        doubt = f"this is violated where all of it holds: if the first asks for the rest, write {written}"
        self._say(doubt, _place(node), severity="warning", suggestion=other)
        return rule

    def _at(self, node: Any, text: str, problems: Iterable[Problem]) -> None:
        """Tell problems of a text at their places in the file."""
        lines = self._lines if node is not None else Lines(text)
        found = indices(node, text, self.text) if node is not None else range(len(text) + 1)
        for each in problems:
            start, end = (lines.place(found[min(at, len(text))]) for at in (each.start, each.end))
            line = lines.line(start.line)
            self.found.append(
                Diagnostic(each.message, self.file, start, end, line, each.suggestion, each.severity)
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

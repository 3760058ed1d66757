"""Rules outside the process: as JSON and YAML, what a rule file would change, and how that is proposed."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from app import clock
from dsl.rule import Rule, Test
from streams.fold import Change, proposal, rule_value

_YAML_NAMES = {"onIncomplete": "on_incomplete", "runbookUrl": "runbook_url"}

Wanted = tuple[str, int, Rule | None]  # id, the version it is based on, and the rule; None deletes it


class RuleSource(Protocol):
    """The rules in force, and the way to change them (`streams.rules_log.RulesLog`)."""

    @property
    def problem(self) -> str | None: ...

    def rules(self) -> tuple[Rule, ...]: ...

    def is_file(self, rule_id: str) -> bool: ...

    def history(self, rule_id: str) -> tuple[Change, ...]: ...

    def propose(self, records: Sequence[tuple[str, bytes]], seconds: float = 10.0) -> bool: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rules of a file would change, by id; `held` are rules of files, which nothing here changes."""

    created: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: tuple[str, ...]
    held: tuple[str, ...]
    changes: tuple[Wanted, ...]


def plan(source: RuleSource, rules: Sequence[Rule]) -> Plan:
    """Hold rules against those that there are."""
    before = {rule.id: rule_value(rule) for rule in source.rules()}
    alike = {rule.id for rule in rules if before.get(rule.id) == rule_value(rule)}
    changed = [rule for rule in rules if rule.id not in alike]
    return Plan(
        tuple(rule.id for rule in changed if rule.id not in before),
        tuple(rule.id for rule in changed if rule.id in before),
        tuple(rule.id for rule in rules if rule.id in alike),
        tuple(rule.id for rule in rules if source.is_file(rule.id)),
        tuple((rule.id, current(source, rule.id), rule) for rule in changed),
    )


def current(source: RuleSource, rule_id: str) -> int:
    """The version that the log has of a rule, of a deletion too; 0 if it never was."""
    changes = source.history(rule_id)
    return changes[-1].version if changes else 0


def proposals(changes: Sequence[Wanted], by: str, now: int) -> list[tuple[str, bytes]]:
    """The records that propose changes, several as one batch; `now` in ns since the epoch."""
    at, batch = clock.text(now), uuid.uuid4().hex
    records = []
    for number, (rule_id, base, rule) in enumerate(changes):
        part = (batch, number, len(changes)) if len(changes) > 1 else None
        records.append((rule_id, proposal(rule_id, base, rule_value(rule) if rule else None, by, at, part)))
    return records


def rule_json(rule: Rule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        **rule_value(rule),
        "version": rule.version,
        "updatedAt": rule.updated_at,
        "updatedBy": rule.updated_by,
        "source": rule.source,
    }


def rule_file(rules: Iterable[Rule]) -> str:
    """The text of a rule file that holds them, with the tests of those that have any."""
    forms = [_yaml_form(rule) | _tests(rule) for rule in rules]
    return yaml.dump({"rules": forms}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _yaml_form(rule: Rule) -> dict[str, Any]:
    """A rule as a rule file has it, without what is the default."""
    plain = rule_value(Rule(rule.id, "", name=rule.id))
    kept = {key: value for key, value in rule_value(rule).items() if key == "id" or value != plain[key]}
    return {_YAML_NAMES.get(key, key): value for key, value in kept.items()}


def _tests(rule: Rule) -> dict[str, Any]:
    def form(test: Test) -> dict[str, Any]:
        given = {
            "name": test.name,
            "trace": [dict(span) for span in test.trace] or None,
            "traceFile": test.trace_file,
            "expect": test.expect,
            "violations": test.violations,
            "clause": test.clause,
            "missing": list(test.missing) if test.missing is not None else None,
        }
        return {key: value for key, value in given.items() if value is not None}

    return {"tests": [form(test) for test in rule.tests]} if rule.tests else {}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)

"""The rules in force, as this side knows them, and how they are changed over HTTP between two barriers."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsl.files import load, rule_of
from dsl.rule import Rule
from tests.chaos.rest import ask
from tests.integration.processes import until

_TOP = Path(__file__).parents[2]
_FILES = (
    _TOP / "deploy" / "rules" / "shop.yaml",
    _TOP / "tests" / "integration" / "train-ticket.yaml",
    Path(__file__).with_name("rules.yaml"),
)
_CHANGES = 4  # between two phases
_KEPT = 6  # rules at least


@dataclass(slots=True)
class Rulebook:
    """The rules by id; a rule that was deleted keeps its version number."""

    rules: dict[str, Rule] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)  # by kind

    def begin(self, url: str) -> None:
        """Make all rules of the files."""
        for rule in pool():
            self._create(url, rule)

    def change(self, urls: Sequence[str], draw: random.Random) -> list[str]:
        """Change some rules, each through one of the APIs; what was done."""
        return [self._change(draw.choice(urls), draw) for _ in range(_CHANGES)]

    @property
    def written(self) -> int:
        """How many records the rules log has by now."""
        return sum(self.changes.values())

    def in_force(self) -> list[Rule]:
        """The enabled rules."""
        return [rule for rule in self.rules.values() if rule.enabled]

    def _change(self, url: str, draw: random.Random) -> str:
        gone = [rule for rule in pool() if rule.id not in self.rules]
        if gone and draw.random() < 0.4:
            return self._create(url, draw.choice(gone))
        rule = draw.choice(list(self.rules.values()))
        kinds: list[Callable[[str, Rule, random.Random], str]] = [self._replace, self._toggle, self._shadow]
        if len(self.rules) > _KEPT:
            kinds.append(self._delete)
        return draw.choice(kinds)(url, rule, draw)

    def _create(self, url: str, rule: Rule) -> str:
        self._wait(url, rule)
        status, answer = ask(f"{url}/api/rules", "POST", _given(rule))
        assert status == 201, answer
        return self._now("created", answer)

    def _replace(self, url: str, rule: Rule, draw: random.Random) -> str:
        """Give it another rule's condition: ids stay, verdicts do not."""
        other = draw.choice(pool())
        return self._put("replaced", url, replace(rule, condition=other.condition, message=other.message))

    def _toggle(self, url: str, rule: Rule, _draw: random.Random) -> str:
        return self._put(
            "disabled" if rule.enabled else "enabled", url, replace(rule, enabled=not rule.enabled)
        )

    def _shadow(self, url: str, rule: Rule, _draw: random.Random) -> str:
        mode = "shadow" if rule.mode == "enforce" else "enforce"
        return self._put("mode", url, replace(rule, mode=mode))

    def _put(self, kind: str, url: str, rule: Rule) -> str:
        self._wait(url, rule)
        tag = f'"{self.versions[rule.id]}"'
        status, answer = ask(f"{url}/api/rules/{rule.id}", "PUT", _given(rule), **{"if-match": tag})
        assert status == 200, answer
        return self._now(kind, answer)

    def _delete(self, url: str, rule: Rule, _draw: random.Random) -> str:
        self._wait(url, rule)
        tag = f'"{self.versions[rule.id]}"'
        status, answer = ask(f"{url}/api/rules/{rule.id}", "DELETE", **{"if-match": tag})
        assert status == 204, answer
        del self.rules[rule.id]
        self.versions[rule.id] += 1
        return self._count("deleted", rule.id)

    def _wait(self, url: str, rule: Rule) -> None:
        """Until an API knows how the rule stands: another may have written it a moment ago."""
        known = self.versions[rule.id] if rule.id in self.rules else None

        def shown() -> bool | None:
            status, answer = ask(f"{url}/api/rules/{rule.id}")
            return (status == 404 if known is None else status == 200 and answer["version"] == known) or None

        until(f"{url} shows {rule.id} by version {known}", shown)

    def _now(self, kind: str, answer: dict[str, Any]) -> str:
        """The rule is as the API answered; its version is one more than it was."""
        version = self.versions.get(answer["id"], 0) + 1
        assert answer["version"] == version, answer
        given = {key: answer[key] for key in _given(Rule("", "")) if key in answer}
        rule, problems = rule_of(given, version=version, source="api")
        assert rule, problems
        self.rules[rule.id], self.versions[rule.id] = rule, version
        return self._count(kind, rule.id)

    def _count(self, kind: str, rule_id: str) -> str:
        self.changes[kind] = self.changes.get(kind, 0) + 1
        return f"{kind} {rule_id} (version {self.versions[rule_id]})"


def pool() -> tuple[Rule, ...]:
    """All rules that there may be."""
    loaded = load([(str(file), file.read_text()) for file in _FILES])
    assert not loaded.errors, loaded.errors
    return tuple(replace(rule, tests=()) for rule in loaded.rules)


def _given(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name or rule.id,
        "description": rule.description,
        "severity": rule.severity,
        "enabled": rule.enabled,
        "mode": rule.mode,
        "onIncomplete": rule.on_incomplete,
        "condition": rule.condition,
        "message": rule.message,
        "labels": dict(rule.labels),
        "compliance": [{"framework": c.framework, "control": c.control} for c in rule.compliance],
    }

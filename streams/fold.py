"""The log of rule proposals, folded in offset order: what exists now, and its whole history."""

import json
from dataclasses import dataclass, field
from typing import Any

from dsl.files import rule_of
from dsl.rule import Rule

Batch = tuple[str, int, int]  # id, index, size
_WAITING = 1000  # batches whose end has not come; what is more is dropped, the oldest first


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted proposal: the rule as of `version`, or its deletion."""

    rule_id: str
    version: int
    rule: Rule | None
    by: str
    at: str
    offset: int = -1  # of the record in the log
    reason: str | None = None  # where a proposal gives one


@dataclass(slots=True)
class Fold:
    """The state that the log's records lead to, whoever reads them.

    A proposal whose base is not the rule's current version has no effect. A batch is applied whole, at its
    last record, or not at all.
    """

    history: dict[str, list[Change]] = field(default_factory=dict)
    refused: int = 0
    _batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, value: bytes, offset: int = -1) -> bool:
        """Fold in the record at an offset; whether anything changed. No proposal: counted and passed over."""
        try:
            proposal = json.loads(value)
            batch = proposal.get("batch")
            if not batch:
                return self._apply([proposal], offset)
            waiting = self._batches.setdefault(batch["id"], [])
            waiting.append(proposal)
            if len(waiting) < batch["size"]:
                self._drop_old()
                return False
            return self._apply(self._batches.pop(batch["id"]), offset)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.refused += 1
            return False

    def rules(self) -> list[Rule]:
        """The rules that exist now."""
        return [rule for changes in self.history.values() if (rule := changes[-1].rule) is not None]

    def at(self, offset: int) -> list[Rule]:
        """The rules that existed before the record at an offset."""
        found = []
        for changes in self.history.values():
            last = next((change for change in reversed(changes) if change.offset < offset), None)
            if last is not None and last.rule is not None:
                found.append(last.rule)
        return found

    def version(self, rule_id: str) -> int:
        """The rule's current version, of a deletion too; 0 if it never was."""
        changes = self.history.get(rule_id)
        return changes[-1].version if changes else 0

    def _drop_old(self) -> None:
        while len(self._batches) > _WAITING:
            self._batches.pop(next(iter(self._batches)))
            self.refused += 1

    def _apply(self, proposals: list[dict[str, Any]], offset: int) -> bool:
        accepted = [self._accepted(proposal, offset) for proposal in proposals]
        if not all(accepted) or len({change.rule_id for change in accepted if change}) < len(accepted):
            self.refused += 1
            return False
        for change in accepted:
            if change is not None:
                self.history.setdefault(change.rule_id, []).append(change)
        return True

    def _accepted(self, proposal: dict[str, Any], offset: int) -> Change | None:
        rule_id, base = proposal["ruleId"], proposal["baseVersion"]
        if not isinstance(rule_id, str) or base != self.version(rule_id):
            return None
        by, at = str(proposal["by"]), str(proposal["at"])
        rule = None
        if proposal["rule"] is not None:
            rule, _ = rule_of(
                proposal["rule"] | {"id": rule_id}, version=base + 1, source="api", at=at, by=by
            )
            if rule is None:
                return None
        reason = proposal.get("reason")
        return Change(rule_id, base + 1, rule, by, at, offset, None if reason is None else str(reason))


def proposal(
    rule_id: str, base: int, rule: dict[str, Any] | None, by: str, at: str, batch: Batch | None = None,
    reason: str | None = None,
) -> bytes:  # fmt: skip
    """A proposal as it stands in the log; `rule` (`rule_value`) is None for a deletion."""
    value: dict[str, Any] = {"ruleId": rule_id, "baseVersion": base, "rule": rule, "by": by, "at": at}
    if reason is not None:
        value["reason"] = reason
    if batch is not None:
        value["batch"] = dict(zip(("id", "index", "size"), batch, strict=True))
    return json.dumps(value, ensure_ascii=False).encode()


def rule_value(rule: Rule) -> dict[str, Any]:
    """What a writer says of a rule, as a proposal holds it."""
    return {
        "id": rule.id,
        "name": rule.name,
        "description": rule.description,
        "severity": rule.severity,
        "enabled": rule.enabled,
        "mode": rule.mode,
        "onIncomplete": rule.on_incomplete,
        "condition": rule.condition,
        "message": rule.message,
        "labels": dict(rule.labels),
        "compliance": [control._asdict() for control in rule.compliance],
        "runbookUrl": rule.runbook_url,
    }

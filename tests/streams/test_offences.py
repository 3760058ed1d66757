"""Rules that are cut off again and again are disabled, once, where that is possible."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dsl.files import load
from dsl.rule import Rule
from streams.activity import Version
from streams.fold import Fold
from streams.offences import CUT_OFFS, WINDOW, Offences
from streams.rules_log import NotWritten

RULE = {
    "ruleId": "slow",
    "baseVersion": 0,
    "rule": {"condition": "a", "severity": "high"},
    "by": "me",
    "at": "t",
}
SLOW, FILED = Version("slow", 1), Version("filed", 1)


class Log:
    """A log of rules in memory, folded as the real one is."""

    def __init__(self, *, away: bool = False) -> None:
        self.fold = Fold()
        self.fold.add(json.dumps(RULE).encode())
        self.files = load([("f", "rules: [{id: filed, condition: a}]")]).rules
        self.away = away
        self.proposals = 0

    def rules(self) -> tuple[Rule, ...]:
        return (*self.fold.rules(), *self.files)

    def is_file(self, rule_id: str) -> bool:
        return rule_id == "filed"

    def propose(self, records: Sequence[tuple[str, bytes]]) -> bool:
        self.proposals += 1
        if self.away:
            raise NotWritten("away")
        return all([self.fold.add(value) for _, value in records])


def offences(log: Log) -> Offences:
    return Offences(log, "worker:betrace", lambda: "2026-01-01T00:00:00Z", run=lambda work: work())


def test_too_many_cut_offs_in_an_hour_disable_the_rule_with_the_reason_and_change_nothing_else() -> None:
    log = Log()
    counted = offences(log)
    for number in range(CUT_OFFS):
        assert log.proposals == 0
        counted.add(SLOW, 1, now=float(number))
    (rule,) = log.fold.rules()
    assert (rule.enabled, rule.version, rule.severity, rule.condition) == (False, 2, "high", "a")
    change = log.fold.history["slow"][-1]
    assert change.by == "worker:betrace"
    assert "cut off 10 times within an hour" in (change.reason or "")


def test_cut_offs_far_apart_or_of_another_version_do_not_add_up() -> None:
    log = Log()
    counted = offences(log)
    for number in range(3 * CUT_OFFS):
        counted.add(SLOW, 1, now=number * WINDOW / (CUT_OFFS - 2))
        counted.add(Version("slow", 100 + number), 1, now=float(number))
    assert log.proposals == 0


def test_many_at_once_propose_once() -> None:
    log = Log()
    counted = offences(log)
    for now in range(5):
        counted.add(SLOW, 1000, now=float(now))
    assert log.proposals == 1


def test_a_version_that_is_not_the_current_one_is_left_alone() -> None:
    log = Log()
    log.fold.add(json.dumps({**RULE, "baseVersion": 1}).encode())
    offences(log).add(SLOW, 1000, now=0)
    assert log.proposals == 0


def test_while_the_log_cannot_be_written_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    log = Log(away=True)
    counted = offences(log)
    counted.add(SLOW, 1000, now=0)
    log.away = False
    counted.add(SLOW, 1, now=1)
    assert "could not be disabled" in caplog.text
    assert [rule.enabled for rule in log.fold.rules()] == [False]


def test_a_rule_of_a_file_is_told_once_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    counted = offences(log)
    for now in range(3):
        counted.add(FILED, 1000, now=float(now))
    assert log.proposals == 0
    assert caplog.text.count("comes from a rule file") == 1


def test_a_reason_that_is_no_text_harms_nobody() -> None:
    reasons: list[Any] = [None, 5, {"a": 1}]
    for reason in reasons:
        fold = Fold()
        assert fold.add(json.dumps({**RULE, "reason": reason}).encode())

"""Proposes in the rules log to disable a rule that was cut off again and again."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dsl.rule import Rule
from streams import metrics
from streams.activity import Version
from streams.fold import proposal, rule_value
from streams.rules_log import NotWritten

CUT_OFFS = 10  # of one version on one worker, within
WINDOW = 3600.0  # seconds, after which its worker proposes to disable it

log = logging.getLogger("betrace.rules")


class RulesLog(Protocol):
    """Where rules are changed (`streams.rules_log.RulesLog`)."""

    def rules(self) -> tuple[Rule, ...]: ...

    def is_file(self, rule_id: str) -> bool: ...

    def propose(self, records: Sequence[tuple[str, bytes]]) -> bool: ...


def in_background(work: Callable[[], None]) -> None:
    """Do it in a thread: judging does not wait for the log."""
    threading.Thread(target=work, name="offences", daemon=True).start()


@dataclass(slots=True)
class Offences:
    """Counts cut-offs of versions of rules, and acts on too many, once for each version.

    `by` is the author of the proposal, `at` gives the time that it bears (RFC 3339).
    """

    log: RulesLog
    by: str
    at: Callable[[], str]
    run: Callable[[Callable[[], None]], None] = in_background
    _times: dict[Version, deque[float]] = field(default_factory=dict)
    _done: set[Version] = field(default_factory=set)

    def add(self, version: Version, count: int, now: float) -> None:
        """Count cut-offs at `now` (s)."""
        times = self._times.setdefault(version, deque(maxlen=CUT_OFFS))
        times.extend([now] * min(count, CUT_OFFS))
        if len(times) == CUT_OFFS and now - times[0] <= WINDOW and version not in self._done:
            self._done.add(version)
            self.run(lambda: self._act(version))

    def _act(self, version: Version) -> None:
        reason = f"cut off {CUT_OFFS} times within an hour: it takes too many steps or too long on a trace"
        name = f"rule {version.rule_id}, version {version.version},"
        rule = next((rule for rule in self.log.rules() if rule.id == version.rule_id), None)
        if rule is None or rule.version != version.version:
            return
        if self.log.is_file(version.rule_id):
            log.warning(
                "%s was %s; it comes from a rule file, so it can be disabled there alone", name, reason
            )
            return
        value = proposal(
            rule.id, rule.version, rule_value(replace(rule, enabled=False)), self.by, self.at(), reason=reason
        )
        try:
            accepted = self.log.propose([(rule.id, value)])
        except NotWritten as problem:
            self._done.discard(version)
            log.warning("%s was %s; it could not be disabled: %s", name, reason, problem)
            return
        if accepted:
            metrics.DISABLED.labels(rule.id).inc()
            log.warning("%s was %s; it is disabled now", name, reason)

"""What becomes of violations when late spans have their trace judged again: confirmed, amended, retracted."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from streams import metrics
from streams.disguise import ENCRYPTED
from streams.state import Finding
from streams.violation import Found, encoded, timestamp

_TIMES = frozenset({"revision", "status", "decisionReason", "detectedAt", "updatedAt", "history"})
_HISTORY = 20
_ENCRYPTED = re.compile(re.escape(ENCRYPTED) + r"[0-9A-Za-z+/=]+")
AMENDED = "late spans changed it"
RETRACTED = "with late spans the rule holds"
REOPENED = "late spans broke the rule again"


def revised(
    before: Sequence[Finding],
    found: Iterable[Found],
    decides: Callable[[str], bool],
    now: int,
) -> list[Finding]:
    """All violations of a trace as they stand now; those that changed are to be published.

    `before` are those of its last judgement, `found` those of the new one. `decides` says whether the new
    judgement stands against a violation of a rule (its id): one that ended in an error or was cut short, or
    by a rule that is no more, retracts nothing. `now` is Unix ns. An amended violation keeps its id and its
    `detectedAt`; its revision is one higher.
    """
    old = {finding.id: finding for finding in before}
    new = {each.id: each for each in found}
    made = [_again(old[key], each, now) if key in old else opened(each) for key, each in new.items()]
    gone = [finding for key, finding in old.items() if key not in new]
    return made + [_gone(finding, decides, now) for finding in gone]


def opened(found: Found) -> Finding:
    """A violation that was not there before."""
    metrics.VIOLATIONS.labels(found.rule.id, found.rule.severity).inc()
    return Finding(found.id, found.value)


def _again(before: Finding, found: Found, now: int) -> Finding:
    """A violation that the new judgement found too."""
    kept, made = json.loads(before.value), json.loads(found.value)
    if kept["status"] == "open" and _said(kept) == _said(made):
        return before._replace(publish=False)
    reason = AMENDED if kept["status"] == "open" else REOPENED
    return _revision(kept, made | {"status": "open"}, reason, now)


def _gone(before: Finding, decides: Callable[[str], bool], now: int) -> Finding:
    """A violation that the new judgement did not find."""
    kept = json.loads(before.value)
    if kept["status"] == "retracted" or not decides(kept["ruleId"]):
        return before._replace(publish=False)
    return _revision(kept, kept | {"status": "retracted", "decisionReason": "late"}, RETRACTED, now)


def _said(violation: dict[str, Any]) -> dict[str, Any]:
    """What it says of the trace, without when it was said; what is encrypted reads otherwise each time."""
    told = {key: value for key, value in violation.items() if key not in _TIMES}
    text = json.dumps(told)
    return told if ENCRYPTED not in text else {"": _ENCRYPTED.sub(ENCRYPTED, text)}


def _revision(before: dict[str, Any], after: dict[str, Any], reason: str, now: int) -> Finding:
    number, at = before["revision"] + 1, timestamp(now)
    step = {"revision": number, "status": after["status"], "at": at, "reason": reason}
    history = [*before["history"], step][-_HISTORY:]
    made = after | {
        "revision": number,
        "detectedAt": before["detectedAt"],
        "updatedAt": at,
        "history": history,
    }
    return Finding(before["id"], encoded(made), publish=True)

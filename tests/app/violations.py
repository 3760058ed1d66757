"""Violations for tests."""

import json
from typing import Any

from app.index_writer import Record


def violation(number: int, **changes: Any) -> dict[str, Any]:
    """A violation detected in the given second."""
    return {
        "id": f"{number:032x}",
        "revision": 1,
        "status": "open",
        "mode": "enforce",
        "severity": "high",
        "ruleId": "a-rule",
        "traceId": f"{number:032x}",
        "services": ["shop"],
        "detectedAt": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000000000Z",
    } | changes


def activity(day: str, partition: int, *versions: tuple[int, int, int]) -> bytes:
    """A record of the activity topic; each version with the traces evaluated and those applied to."""
    told = [
        {"version": v, "evaluated": e, "applied": a, "violated": 0, "errors": 0, "seconds": 0.5}
        for v, e, a in versions
    ]
    return json.dumps({"ruleId": "a-rule", "day": day, "partition": partition, "versions": told}).encode()


def record(number: int, **changes: Any) -> Record:
    """The record of that violation."""
    made = violation(number, **changes)
    return Record(made["id"], json.dumps(made).encode(), 0, number)

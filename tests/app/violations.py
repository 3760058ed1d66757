"""Violations for tests."""

import json
from typing import Any

from app.index import Record


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


def record(number: int, **changes: Any) -> Record:
    """The record of that violation."""
    made = violation(number, **changes)
    return Record(made["id"], json.dumps(made).encode(), 0, number)

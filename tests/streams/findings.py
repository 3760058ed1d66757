"""Violations for tests of what becomes of them."""

import json

from dsl.rule import Rule
from streams.violation import Found


def found(key: str, **changes: object) -> Found:
    """A violation as it would be published, first revision."""
    value = {"id": key, "status": "open", "revision": 1, "ruleId": "r", "detectedAt": "x", "history": []}
    return Found(key, json.dumps(value | changes).encode(), Rule("r", "a", "r"))

"""Rule sets that BeTrace and the Collector's tail sampling can both be given."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.spans import LARGEST_NUMBER, NAMES, NUMBERS

_RARE = 10  # of 10,000 spans, some so many are beyond a rule's bound


class Pair(NamedTuple):
    """The same rule as a condition of BeTrace, and as an OTTL condition on spans."""

    condition: str
    ottl: str


def applying(count: int) -> list[Pair]:
    """Rules that each look at one attribute of the spans of one name, which every trace of 20 has."""
    return [_rule(NAMES[n % len(NAMES)], n) for n in range(count)]


def with_others(applying_ones: int, count: int) -> list[Pair]:
    """So many in all, of which the others are about names that no span has."""
    others = [_rule(f"absent.{n}", n) for n in range(count - applying_ones)]
    return applying(applying_ones) + others


def _rule(name: str, number: int) -> Pair:
    attribute = NUMBERS[number // len(NAMES) % len(NUMBERS)]
    bound = LARGEST_NUMBER - _RARE - number % 10
    return Pair(
        f'"{name}".where({attribute} > {bound})', f'name == "{name}" and attributes["{attribute}"] > {bound}'
    )


def write_rules(rules: Sequence[Pair], file: Path) -> Path:
    """A rule file for BeTrace."""
    lines = [f"  - {{id: rule-{n}, condition: {json.dumps(r.condition)}}}" for n, r in enumerate(rules)]
    file.write_text("rules:\n" + "\n".join(lines) + "\n" if lines else "rules: []\n")
    return file


def policies(rules: Sequence[Pair]) -> list[dict[str, Any]]:
    """Policies of tail sampling, one a rule."""
    return [
        {
            "name": f"rule-{number}",
            "type": "ottl_condition",
            "ottl_condition": {"error_mode": "ignore", "span": [rule.ottl]},
        }
        for number, rule in enumerate(rules)
    ]

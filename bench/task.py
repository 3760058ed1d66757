"""What a judge is told, BeTrace's or its peer."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.rules import Pair


@dataclass(frozen=True, slots=True)
class Task:
    """A topic and rules for it; a trace is judged `wait` seconds after its first span or its root."""

    topic: str
    rules: Sequence[Pair]
    wait: float
    cores: int = 1

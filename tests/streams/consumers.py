"""Consumers that stand still and say nothing, as librdkafka's may after an outage of a broker."""

from typing import Any

import pytest
from confluent_kafka import Consumer, Message


class Consumers:
    """Takes down those that a module makes, so that the last can be made to stand still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        self.made: list[Standing] = []
        monkeypatch.setattr(f"{module}.Consumer", self._make)

    def _make(self, *arguments: Any) -> "Standing":
        self.made.append(Standing(*arguments))
        return self.made[-1]

    def stand_still(self) -> None:
        """Have the last one give nothing any more."""
        self.made[-1].still = True


class Standing:
    """A consumer, of which that much is not real: `consume` gives nothing while it stands still."""

    def __init__(self, *arguments: Any) -> None:
        self.still = False
        self._consumer = Consumer(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, count: int, timeout: float) -> list[Message]:
        """Records, unless it stands still by then."""
        found = self._consumer.consume(count, timeout=timeout)
        return [] if self.still else found

"""Stops a worker that can read too little of a topic, rather than have it drain the topic to dead letters."""

from collections import Counter, deque
from dataclasses import dataclass, field

from streams.config import DeadLetters, Encoding
from streams.letters import Record
from streams.looks import what_it_looks_like


class Unreadable(ValueError):
    """Too large a share of a topic's records could not be read; the text says what to do."""


@dataclass(slots=True)
class Readable:
    """Which of a topic's last records could be read. Empty ones say nothing, and are not to be counted."""

    topic: str
    encoding: Encoding
    policy: DeadLetters
    _last: deque[str | None] = field(default_factory=deque)  # why not, or None
    _bad: int = 0

    def count(self, record: Record, reason: str | None) -> Unreadable | None:
        """Count a record, `reason` if nothing of it could be used; a problem if that is so of too many."""
        self._last.append(reason)
        self._bad += reason is not None
        if len(self._last) > self.policy.window:
            self._bad -= self._last.popleft() is not None
        counted = len(self._last)
        enough = counted >= min(self.policy.least, self.policy.window)
        if reason and enough and self._bad > self.policy.max_share * counted:
            return Unreadable(self._told(record))
        return None

    def _told(self, record: Record) -> str:
        counted = len(self._last)
        reasons = Counter(reason for reason in self._last if reason is not None).most_common(3)
        place = f"{self.topic}/{record.source.partition}/{record.offset}"
        looks = what_it_looks_like(record.value or b"")
        hint = f" It looks like {looks.text}." if looks else ""
        todo = "mend what writes the topic"
        if looks and looks.encoding not in (None, self.encoding):
            todo = f"set kafka.input_topics to {self.topic}:{looks.encoding}"
        return (
            f"{self.topic} is set to {self.encoding}, but {100 * self._bad / counted:.0f} % of its last "
            f"{counted:,} records could not be read ({', '.join(name for name, _ in reasons)}), the last at "
            f"{place}.{hint} Nothing is lost: what is not acknowledged is read again. So {todo} and start "
            "again; or have such records go to the dead letters, by dead_letter.max_share: 1"
        )

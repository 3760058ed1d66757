"""The names of BeTrace's topics, all derived from the consumer group."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """Topic names of one group: the group `betrace` gives `betrace.spans`, `betrace.rules`, and so on."""

    group: str

    @property
    def spans(self) -> str:
        return f"{self.group}.spans"

    @property
    def rules(self) -> str:
        return f"{self.group}.rules"

    @property
    def violations(self) -> str:
        return f"{self.group}.violations"

    @property
    def activity(self) -> str:
        return f"{self.group}.activity"

    @property
    def evidence(self) -> str:
        return f"{self.group}.evidence"

    @property
    def dead_letter(self) -> str:
        return f"{self.group}.dead-letter"

    @property
    def all(self) -> frozenset[str]:
        """All of them."""
        names = {self.spans, self.rules, self.violations, self.activity, self.evidence, self.dead_letter}
        return frozenset(names | {self.changelog})

    @property
    def changelog(self) -> str:
        """Of the one table that the worker keeps; Faust derives the same name from its app id and table."""
        return f"{self.group}-state-changelog"

"""What names mean at a place of a rule, and what was found wrong there."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from dsl import nodes as n


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at text[start:end], or, as a warning, surely not meant."""

    message: str
    start: int
    end: int
    suggestion: str | None = None
    severity: Literal["error", "warning"] = "error"


@dataclass(slots=True)
class Scope:
    """The selectors named by `let`, the aliases that are visible, and what the whole rule shares."""

    lets: dict[str, Any] = field(default_factory=dict)  # compiled selectors
    aliases: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)  # attributes that the rule names, in order
    names: dict[str, None] = field(default_factory=dict)  # spans that it names
    used: set[str] = field(default_factory=set)  # aliases and lets
    named: dict[str, int] = field(default_factory=dict)  # all aliases of the rule, and where each is named
    binders: list[Any] = field(default_factory=list)  # conditions that name a span, in order of search

    def apart(self) -> "Scope":
        """A place whose aliases are seen there alone."""
        return Scope(self.lets, self.aliases, self.problems, self.keys, self.names, self.used, self.named)

    def hidden(self, node: n.Name) -> bool:
        """Whether a name begins with an alias named before it that is not seen from here: an error."""
        first = node.text.partition(".")[0]
        if first in self.aliases or first in self.lets or self.named.get(first, node.end) >= node.end:
            return False
        self.wrong(node, f"the alias '{first}' is not visible here (a span called so is quoted)")
        return True

    def wrong(
        self, node: n.Node, message: str, known: Iterable[str] = (), word: str = "", fix: str | None = None
    ) -> None:
        """Note an error, with the nearest known word, or a fix, where there is one."""
        near = nearest(word, known) if word else fix
        hint = f", did you mean '{near}'?" if near else ""
        self.problems.append(Problem(message + hint, node.start, node.end, near))

    def warn(self, node: n.Node, message: str, fix: str | None = None) -> None:
        """Note a warning."""
        self.problems.append(Problem(message, node.start, node.end, fix, "warning"))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like the given one, if one is."""
    if len(word) > 64:
        return None
    return next(iter(difflib.get_close_matches(word, list(known), 1, 0.7)), None)

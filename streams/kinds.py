"""What spans have in common: their resource, scope and name, told once for all of them in a block."""

from dataclasses import dataclass
from typing import NamedTuple

from streams.frames import framed

_NAME = 0x2A  # tag of a span's name


class Prefix(NamedTuple):
    """What the spans of one scope have in common, as serialised fields."""

    resource: bytes  # of ResourceSpans: everything but the scopes
    scope: bytes  # of ScopeSpans: everything but the spans


@dataclass(slots=True, eq=False)
class Kind:
    """What spans of one scope and name have in common. There is one object of each: `Kinds` gives it."""

    prefix: Prefix
    name: bytes
    field: bytes  # the name as a serialised field of a span

    @property
    def size(self) -> int:
        """Bytes that it adds to a block, its prefix apart."""
        return 8 + len(self.name)


class Kinds:
    """The kinds met so far."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes of their prefixes, which no span holds."""
        self._named: dict[Prefix, dict[str, Kind]] = {}

    def under(self, prefix: Prefix) -> "Named":
        """Those of a scope."""
        known = self._named.get(prefix)
        if known is None:
            known = self._named[prefix] = {}
            self.size += size_of(prefix)
        return Named(prefix, known)


class Named(dict[str, Kind]):
    """Those kinds of a scope that a message has, by name."""

    def __init__(self, prefix: Prefix, known: dict[str, Kind]) -> None:
        super().__init__()
        self._prefix = prefix
        self._known = known

    def __missing__(self, name: str) -> Kind:
        kind = self._known.get(name)
        if kind is None:
            text = name.encode()
            kind = self._known[name] = Kind(self._prefix, text, framed(_NAME, text) if text else b"")
        self[name] = kind
        return kind

    @property
    def size(self) -> int:
        """Bytes that they and their prefix add to a block."""
        return size_of(self._prefix) + sum(kind.size for kind in self.values())


def size_of(prefix: Prefix) -> int:
    """Bytes that it adds to a block."""
    return 8 + len(prefix.resource) + len(prefix.scope)

"""Which spans a rule needs, so that traces without them are not judged by it."""

from dataclasses import dataclass

from dsl import nodes as n

Names = frozenset[str] | None
_NUMBERS = ("min", "max", "avg", "p50", "p90", "p95", "p99")  # missing where nothing is selected


def needs(node: n.Node, lets: tuple[n.Let, ...], aliases: frozenset[str]) -> Names:
    """Names of which one must be there for the condition to hold; None where that cannot be told."""
    return _Needs({let.name: let.value for let in lets}, aliases).of(node)


@dataclass(frozen=True, slots=True)
class _Needs:
    lets: dict[str, n.Node]
    aliases: frozenset[str]

    def of(self, node: n.Node) -> Names:
        """Of a condition."""
        match node:
            case n.And():
                known = [found for item in node.items if (found := self.of(item)) is not None]
                return min(known, key=len) if known else None
            case n.Or():
                return _union([self.of(item) for item in node.items])
            case n.Nested():
                return self.of(node.item)
            case n.Compare():
                return self._compared(node)
        return self._selected(node)

    def _compared(self, node: n.Compare) -> Names:
        match node.left, node.right:
            case n.Name(text=text), _ if "." in text:
                return self._name(text.rpartition(".")[0]) if self._is_span(text) else None
            case n.Call(fun="count", by=None) as call, n.Number(value=value) if node.op == ">" and value >= 0:
                return self._selected(call.item)
            case n.Call(fun=fun, item=n.Call(item=item)), _ if fun in _NUMBERS:
                return self._selected(item)
        return None

    def _selected(self, node: n.Node) -> Names:
        match node:
            case n.Nested() | n.As() | n.Where() | n.Has():
                return self._selected(node.item)
            case n.Relation():
                found = self._selected(node.left)
                return found if found is not None else self._selected(node.right)
            case n.Text():
                return frozenset({node.value})
            case n.Name():
                return self._name(node.text)
        return None

    def _name(self, text: str) -> Names:
        if text in self.lets:
            return self._selected(self.lets[text])
        return frozenset({text}) if self._is_span(text) and text not in ("any", "root") else None

    def _is_span(self, text: str) -> bool:
        return not text.startswith("trace.") and text.partition(".")[0] not in self.aliases


def _union(sides: list[Names]) -> Names:
    if any(side is None for side in sides):
        return None
    return frozenset().union(*(side for side in sides if side is not None))

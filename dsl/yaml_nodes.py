"""YAML as nodes with their places, bounded: what is nested or repeated without end is refused."""

from typing import Any

import yaml

_DEEPEST = 100  # levels
_ALIASED = 100_000  # values that all aliases of a file may stand for
_DIGITS = 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def compose(text: str) -> yaml.Node | None:
    """The root of a file; yaml.YAMLError if it is none, or too much."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def plain(node: yaml.Node) -> Any:
    """A node's value; yaml.YAMLError if it has none, such as a day that no month has."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, OverflowError) as problem:
        raise yaml.constructor.ConstructorError(None, None, str(problem), node.start_mark) from None
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Composes nodes, counting how deep they are and how much the aliases stand for."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.aliased = 0
        self.sizes: dict[int, int] = {}  # by the id of a node, which its parent keeps alive

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """The next node, with all below."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if self.depth >= _DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} deep", mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent):
            self._repeated(node, mark)
        elif isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and len(node.value) > _DIGITS:
            raise yaml.composer.ComposerError(None, None, f"a number of more than {_DIGITS} digits", mark)
        elif isinstance(node, yaml.CollectionNode):
            self.sizes[id(node)] = 1 + sum(map(self._size, node.value))
        return node

    def _repeated(self, node: yaml.Node | None, mark: Any) -> None:
        if isinstance(node, yaml.CollectionNode) and id(node) not in self.sizes:
            raise yaml.composer.ComposerError(None, None, "an alias stands inside of what it names", mark)
        self.aliased += self._size(node)
        if self.aliased > _ALIASED:
            said = f"the aliases stand for more than {_ALIASED:,} values"
            raise yaml.composer.ComposerError(None, None, said, mark)

    def _size(self, each: Any) -> int:
        if isinstance(each, tuple):
            return sum(map(self._size, each))
        return self.sizes.get(id(each), 1)

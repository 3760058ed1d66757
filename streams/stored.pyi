from collections.abc import Iterable

from dsl.trace import Origin
from streams.block import Block
from streams.fragment import Fragment
from streams.kinds import Kind

def entry(fragment: Fragment, numbers: dict[Kind, int]) -> tuple[bytes, int]: ...
def gathered(
    places: Iterable[tuple[Block, int]],
) -> tuple[bytes, list[str], list[Origin], list[bytes], list[int], list[int]]: ...

from collections.abc import Mapping, Sequence
from typing import Any

from dsl.look import Asker
from dsl.trace import Trace

class Look:
    key: str
    def __init__(self, key: str, op: str, literal: Any) -> None: ...
    def __call__(self, data: bytes, start: int, end: int) -> bool | None: ...

_Asked = Mapping[str, Sequence[tuple[int, Asker, Look]]]

def holding(looks: _Asked, trace: Trace, max_steps: int) -> list[int]: ...

from streams.fragment import Fragment
from streams.kinds import Kinds

def scan(data: bytes, known: Kinds) -> tuple[dict[bytes, Fragment], int, int] | None: ...

from app.pile import Pile
from tests.streams.spans import request, span


def put(pile: Pile) -> set[tuple[int, int, int]]:
    """(trace, spans, first time) of what was put down in parts, from the last to the first."""
    for number in range(300, 0, -1):
        for time in (9, 7, 8):
            data = request(("shop", [span(number, time)])).SerializeToString()
            pile.add(span(number, time).trace_id, data, time)
    return {(int.from_bytes(t.trace_id, "big"), len(t.spans), first) for t, first in pile.traces()}


def test_traces_are_whole_and_know_their_first_time_in_memory_and_on_disk() -> None:
    wanted = {(number, 3, 7) for number in range(1, 301)}
    with Pile() as roomy, Pile(kept=2000) as small:
        assert put(roomy) == put(small) == wanted

from app.pile import Pile
from streams.split import split
from tests.streams.spans import request, span


def put(pile: Pile) -> set[tuple[int, int, int]]:
    """(trace, spans, first time) of what was put down in parts, from the last to the first."""
    for number in range(300, 0, -1):
        for time in (9, 7, 8):
            data = request(("shop", [span(number, time)])).SerializeToString()
            for trace_id, fragment in split(data, known=pile.known).fragments.items():
                pile.add(trace_id, fragment, time)
    return {(int.from_bytes(t.trace_id, "big"), len(t.spans), first) for t, first in pile.traces()}


def test_traces_are_whole_and_know_their_first_time_in_memory_and_on_disk() -> None:
    wanted = {(number, 3, 7) for number in range(1, 301)}
    with Pile() as roomy, Pile(kept=2000) as small:
        assert put(roomy) == put(small) == wanted


def test_resources_count_for_what_is_kept_in_memory() -> None:
    with Pile(kept=50_000) as pile:
        for number in range(1, 101):
            data = request((f"{number} {'x' * 10_000}", [span(number, 1)])).SerializeToString()
            for trace_id, fragment in split(data, known=pile.known).fragments.items():
                pile.add(trace_id, fragment)
            assert pile.known.size < 60_000
        found = {(t.trace_id[-1], t.spans[0].service.split()[0]) for t, _ in pile.traces()}
        assert found == {(number, str(number)) for number in range(1, 101)}

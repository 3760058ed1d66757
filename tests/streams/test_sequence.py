from streams.block import Source
from streams.sequence import Sequence

A, B = Source("spans", 0), Source("spans", 1)


def verdicts(sequence: Sequence, *offsets: int) -> list[str]:
    return [sequence.judge(A, offset) for offset in offsets]


def test_records_in_order_and_those_read_again_are_taken() -> None:
    assert verdicts(Sequence({A: 5}), 5, 6, 5, 6, 7) == ["take"] * 5


def test_a_record_that_was_passed_over_is_sought_and_what_follows_waits_for_it() -> None:
    sequence = Sequence({A: 5, B: 0})
    assert verdicts(sequence, 6, 7, 8) == ["seek", "skip", "skip"]
    assert sequence.judge(B, 0) == "take"
    assert verdicts(sequence, 5, 6, 7) == ["take"] * 3


def test_a_gap_that_is_still_there_when_sought_is_the_topics_own() -> None:
    sequence = Sequence({A: 5})
    assert verdicts(sequence, 8, 9, 8, 9, 10) == ["seek", "skip", "take", "take", "take"]
    assert verdicts(sequence, 12) == ["seek"]


def test_after_a_rebalance_nothing_is_known() -> None:
    sequence = Sequence({A: 5})
    verdicts(sequence, 7)
    sequence.clear()
    assert sequence.wanted == {}

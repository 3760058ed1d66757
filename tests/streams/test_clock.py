from streams.clock import Clock
from streams.tick import Source, Tick

A, B = Source("spans", 0), Source("spans", 1)
TWO = {"spans": 2}


def clock() -> Clock:
    return Clock(frozenset({"spans"}))


def test_the_clock_stands_until_every_input_partition_was_heard_of() -> None:
    time = clock()
    assert time.unknown() == [Source("spans", -1)]
    time.hear(Tick({A: 500}, TWO))
    assert (time.now, time.unknown()) == (0, [B])
    time.hear(Tick({B: 300}, TWO))
    assert (time.now, time.unknown()) == (300, [])


def test_the_clock_is_the_slowest_watermark_and_never_goes_back() -> None:
    time = clock()
    time.hear(Tick({A: 500, B: 300}, TWO))
    time.hear(Tick({B: 200}, TWO))
    assert time.now == 300
    time.hear(Tick({B: 900}, TWO))
    assert time.now == 500
    assert time.slowest() == (A, 500)


def test_a_new_input_partition_holds_the_clock_until_it_is_heard_of() -> None:
    time = clock()
    time.hear(Tick({A: 500, B: 500}, TWO))
    time.hear(Tick({A: 900, B: 900}, {"spans": 3}))
    assert time.now == 500
    assert time.unknown() == [Source("spans", 2)]
    time.hear(Tick({Source("spans", 2): 700}, {"spans": 3}))
    assert time.now == 700


def test_a_topic_that_is_no_longer_an_input_holds_nothing_back() -> None:
    time = clock()
    time.hear(Tick({A: 500, B: 500, Source("old", 0): 1}, {"spans": 2, "old": 1}))
    assert time.now == 500


def test_a_skipped_partition_holds_nothing_back_until_more_is_heard_of_it() -> None:
    time = clock()
    time.hear(Tick({A: 500, B: 300}, TWO))
    time.hear(Tick({}, {}, skipped=(B,)))
    assert (time.now, time.slowest()) == (500, (A, 500))
    time.hear(Tick({A: 700, B: 300}, TWO))
    assert time.now == 700
    time.hear(Tick({A: 900, B: 800}, TWO))
    assert (time.now, time.slowest()) == (800, (B, 800))


def test_a_partition_that_was_never_heard_of_can_be_skipped() -> None:
    time = clock()
    time.hear(Tick({A: 500}, TWO))
    time.hear(Tick({}, {}, skipped=(B,)))
    assert (time.now, time.unknown()) == (500, [])

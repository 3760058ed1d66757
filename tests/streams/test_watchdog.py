"""What the watchdog makes of looks at a worker and its group."""

from streams.membership import Membership
from streams.tick import Source
from streams.watchdog import Place, View, Watch

A, B = Source("in", 0), Source("in", 1)
PATIENCE = 60.0
GROUP = Membership(True, {"me": frozenset({A}), "other": frozenset({B})})
ALL = frozenset({A, B})
IDLE = Place(read=5, records=5, done=5)


def view(
    place: Place | None = IDLE, *, pulse: int = 0, work: int = 0, member: str = "me", held: bool = False
) -> View:
    places = {A: place} if place else {}
    return View(pulse, work, member, places, frozenset({A} if held else ()), "the state is being recovered")


def watch() -> Watch:
    return Watch(PATIENCE, frozenset({"in"}))


def stuck(watch: Watch, now: float, seen: View, end: int = 9, group: Membership | None = GROUP) -> str | None:
    return watch.stuck(now, seen, group, {A: end})


def test_records_that_wait_while_nothing_moves_are_told_with_the_place_and_what_is_waited_for() -> None:
    w = watch()
    assert stuck(w, 0, view()) is None
    assert stuck(w, 59, view()) is None
    said = stuck(w, 60, view())
    assert said == (
        "in/0 has records, and nothing moves: it stands at offset 5 of 9; the state is being recovered"
    )


def test_any_move_begins_the_wait_anew() -> None:
    for moved in (view(Place(6, 5, 5)), view(Place(5, 6, 5)), view(Place(5, 5, 6)), view(work=1)):
        w = watch()
        assert stuck(w, 0, view()) is None
        assert stuck(w, 50, moved) is None
        assert stuck(w, 100, moved) is None
        assert stuck(w, 110, moved)


def test_a_partition_that_is_read_to_its_end_and_done_may_stand_still() -> None:
    w = watch()
    assert not any(stuck(w, now, view(), end=5) for now in range(0, 600, 10))


def test_what_was_handed_on_and_never_done_is_stuck_though_all_is_read() -> None:
    w = watch()
    read = view(Place(read=9, records=9, done=5))
    assert stuck(w, 0, read) is None
    assert stuck(w, 60, read)


def test_the_end_of_a_transaction_that_is_read_and_never_handed_on_is_nothing_to_do() -> None:
    w = watch()
    assert not any(stuck(w, now, view(Place(read=9, records=8, done=8))) for now in range(0, 600, 10))


def test_what_is_done_and_never_committed_is_stuck_though_all_goes_on() -> None:
    w = watch()
    for now in range(0, 120, 10):
        assert stuck(w, now, view(Place(now + 9, now + 9, now + 9, 3), work=now), end=now + 9) is None
    said = stuck(w, 120, view(Place(99, 99, 99, 3), work=120), end=99)
    assert said == "in/0 is done up to offset 99, and nothing is committed after 3"


def test_what_is_committed_step_by_step_is_not_stuck() -> None:
    w = watch()
    steps = [view(Place(now + 9, now + 9, now + 9, now)) for now in range(0, 600, 10)]
    assert not any(stuck(w, 10 * n, seen, end=900) for n, seen in enumerate(steps))


def test_a_partition_that_is_held_on_purpose_may_stand_still() -> None:
    w = watch()
    assert not any(stuck(w, now, view(held=True)) for now in range(0, 600, 10))
    assert stuck(w, 600, view()) is None


def test_a_partition_that_the_group_gave_and_the_worker_never_took_is_stuck() -> None:
    w = watch()
    assert stuck(w, 0, view(place=None)) is None
    assert stuck(w, 60, view(place=None))


def test_while_kafka_does_not_answer_nothing_is_stuck() -> None:
    w = watch()
    for now in range(0, 600, 10):
        assert stuck(w, now, view(), group=None if now % 50 == 0 else GROUP) is None


def test_a_worker_that_its_group_does_not_know_is_lost_once_partitions_are_handed_out() -> None:
    w = watch()
    moving = Membership(False, {})
    assert not any(w.lost(now, view(member="gone"), moving, ALL) for now in range(0, 600, 10))
    assert w.lost(600, view(member="gone"), GROUP, ALL) is None
    assert w.lost(660, view(member="gone"), GROUP, ALL) == "its group does not know it (as gone)"


def test_a_worker_that_owns_nothing_is_lost_if_partitions_have_no_owner_and_spare_if_all_have() -> None:
    w = watch()
    spare = Membership(True, {"me": frozenset(), "other": ALL})
    assert not any(w.lost(now, view(), spare, ALL) for now in range(0, 600, 10))
    left = Membership(True, {"me": frozenset(), "other": frozenset({A})})
    assert w.lost(600, view(), left, ALL) is None
    assert w.lost(660, view(), left, ALL) == "it owns nothing, and nobody owns in/1"


def test_an_event_loop_without_a_pulse_is_frozen() -> None:
    w = watch()
    assert w.frozen(0, view(pulse=1)) is None
    assert w.frozen(59, view(pulse=2)) is None
    assert w.frozen(118, view(pulse=2)) is None
    assert w.frozen(119, view(pulse=2)) == "its event loop is frozen"

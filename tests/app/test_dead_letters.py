import gzip
from collections.abc import Mapping

import pytest

from app.dead_letter_forms import Listed, hex_lines, letter_lines, list_lines
from app.dead_letters import Letter, Place, Wanted
from app.errors import UserError
from tests.poison import messages

HEADERS = {
    "betrace.reason": b"malformed",
    "betrace.topic": b"spans",
    "betrace.partition": b"2",
    "betrace.offset": b"41",
}


def letter(
    offset: int = 0, time: int = 0, value: bytes = b"x", key: bytes | None = None, **headers: bytes
) -> Letter:
    named: Mapping[str, bytes] = HEADERS | {f"betrace.{name}": each for name, each in headers.items()}
    return Letter(Place("betrace.dead-letter", 0, offset), time, key, value, named)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("3/17", Place("letters", 3, 17)),
        ("3-17", Place("letters", 3, 17)),
        ("otlp_spans/3/17", Place("otlp_spans", 3, 17)),
        ("my-topic-3-17", Place("my-topic", 3, 17)),
    ],
)
def test_a_place_is_among_the_letters_or_of_the_input(text: str, place: Place) -> None:
    assert Place.of(text, "letters") == place


@pytest.mark.parametrize("text", ["", "17", "a/b/c", "3/"])
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(UserError, match="PARTITION/OFFSET"):
        Place.of(text, "letters")


def test_letters_are_wanted_by_reason_topic_and_either_place() -> None:
    one = letter()
    assert Wanted().takes(one)
    assert Wanted(reasons=("malformed", "no_spans"), topics=("spans",)).takes(one)
    assert not Wanted(reasons=("no_spans",)).takes(one)
    assert not Wanted(topics=("other",)).takes(one)
    assert Wanted(places=frozenset({Place("spans", 2, 41)})).takes(one)
    assert Wanted(places=frozenset({one.at})).takes(one)
    assert not Wanted(places=frozenset({Place("spans", 2, 40)})).takes(one)


def test_the_newest_are_listed_and_all_are_counted() -> None:
    listed = Listed(2)
    for offset, time in enumerate((50, 10, 40, 20, 30)):
        listed.add(letter(offset, time, reason=b"no_spans" if time == 40 else b"malformed"))
    assert [item["at"] for item in listed.items] == ["0/2", "0/0"]
    last = list(list_lines(listed))[-1]
    assert last == "5 dead letters: 4 malformed, 1 no_spans; the newest 2 are shown"


def test_a_record_that_betrace_did_not_write_is_told_of() -> None:
    foreign = Letter(Place("letters", 0, 0), None, None, b"x", {})
    assert (foreign.source, foreign.reason) == (None, "unknown")
    listed = Listed(5)
    listed.add(foreign)
    assert "elsewhere" in next(list_lines(listed))
    assert "from       elsewhere" in "\n".join(letter_lines(foreign, "otlp_proto"))


def test_a_letter_is_told_with_what_is_wrong_at_which_byte() -> None:
    data = messages()[0].SerializeToString()
    told = "\n".join(letter_lines(letter(value=data[:-1], key=b"abc"), "otlp_proto"))
    assert "key        616263  abc" in told
    assert "wrong      byte 0: the message: a field runs over the end" in told
    assert "looks like gzip" in "\n".join(letter_lines(letter(value=gzip.compress(data)), "otlp_json"))


def test_what_a_terminal_might_obey_is_not_written_to_it() -> None:
    value = b'{"\x1b[2J\\u001b[2J\\ud800": 1}'
    told = "\n".join(letter_lines(letter(value=value, key=b"\x1b[2J"), "otlp_json"))
    assert "\x1b" not in told
    told.encode()


def test_a_cut_letter_tells_how_much_was_kept() -> None:
    told = "\n".join(letter_lines(letter(value=b"x" * 300, size=b"9000"), "otlp_proto"))
    assert "size       9,000 bytes, of which 300 were kept" in told
    assert "and 44 bytes more" in told


def test_bytes_are_dumped_sixteen_a_line() -> None:
    assert list(hex_lines(b"hello\n" * 3)) == [
        "00000000  68 65 6c 6c 6f 0a 68 65 6c 6c 6f 0a 68 65 6c 6c  |hello.hello.hell|",
        "00000010  6f 0a                                            |o.|",
    ]

import pytest

from streams.fault import fault
from streams.otlp import WireError
from streams.reading import read
from tests.poison import deep, messages, poison
from tests.streams.spans import request, span

MESSAGE = messages()[0]
DATA = MESSAGE.SerializeToString()


def test_nothing_is_wrong_with_a_good_message() -> None:
    assert fault(DATA) is None


def test_the_byte_and_the_field_are_told() -> None:
    data = request(("shop", [span(1, 1), span(1, 2, name="evil")])).SerializeToString()
    at = data.index(b"evil") + 2
    spoilt = data[:at] + b"\xff" + data[at + 1 :]
    assert fault(spoilt) == f"byte {at:,}: resource_spans[0].scope_spans[0].spans[1].name: not UTF-8"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DATA[:-1], "byte 0: the message: a field runs over the end of its message"),
        (b"\x0a\x02\x0a\x05", "byte 2: resource_spans[0]: a field runs over the end of its message"),
        (DATA + b"\x0b", "the message: wire type 3 does not occur in OTLP"),
        (DATA + b"\x00\x00", "the message: a field has the number 0"),
        (deep(MESSAGE.resource_spans[0].scope_spans[0].spans, 80, False), "nested too deeply"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, said: str) -> None:
    assert said in (fault(data) or "")


def is_malformed(data: bytes) -> bool:
    """Whether a record is refused as such."""
    try:
        read("otlp_proto", data)
    except WireError as problem:
        return problem.reason == "malformed"
    return False


def test_a_record_that_is_refused_as_malformed_has_a_fault() -> None:
    values = [each.value for each in poison(5, 2000) if each.encoding == "otlp_proto" and each.value]
    refused = [value for value in values if is_malformed(value)]
    assert len(refused) > 100
    assert all(map(fault, refused))

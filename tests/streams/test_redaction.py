"""What is personal or secret is found, and hidden as asked; the rest is left alone."""

import statistics
import timeit
from collections import Counter
from typing import Any

import pytest
from prometheus_client import generate_latest

from streams import disguise, redaction
from streams.config import DETECTORS, KeyRule, Policy
from streams.detectors import KINDS, find
from streams.redaction import DEFAULT, MAX_TEXT, REMOVED, Redaction
from streams.revise import revised
from streams.state import Finding
from tests.streams.corpus import look_alikes, positives
from tests.streams.findings import found

KEY = bytes(range(32))
FOUND = frozenset(kind for kind in KINDS if DETECTORS[kind] != "keep")
CARD = "4111111111111111"


def by_key(strategy: Any, key: str = "k") -> Redaction:
    return Redaction(Policy(keys=(KeyRule(key, strategy),), key=KEY))


def test_of_the_corpus_hardly_a_value_is_missed_and_hardly_another_is_hit() -> None:
    total: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    right = wrong = 0
    for sample in positives(seed=11, number=3000):
        start = sample.text.index(sample.value)
        total[sample.kind] += 1
        missed[sample.kind] += sample.value in DEFAULT.text(sample.text)
        for hit in find(sample.text, FOUND):
            hits = hit.start < start + len(sample.value) and hit.end > start
            right, wrong = right + hits, wrong + (not hits)
    wrong += sum(len(find(text, FOUND)) for text in look_alikes(seed=12, number=3000))
    recall = {kind: 1 - missed[kind] / count for kind, count in total.items()}
    assert min(recall.values()) >= 0.99, recall
    assert right / (right + wrong) >= 0.98


def test_a_value_without_a_hit_costs_little() -> None:
    values = [*look_alikes(seed=13, number=200), *["GET", "/api/cart", "checkout", 200, 12.5, True] * 60]

    def cost(value: Any) -> float:
        return min(timeit.repeat(lambda: DEFAULT.leaving("k", value), number=20, repeat=3)) / 20

    assert statistics.median(map(cost, values)) < 25e-6  # 5 µs on a quiet machine: `make bench`


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("a@example.com", "a***@e***.com"),
        ("to ana.lima@mail.example.org, now", "to a***@m***.org, now"),
        (CARD, "************1111"),
        (int(CARD), "************1111"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("４１１１１１１１１１１１１１１１", "************１１１１"),  # noqa: RUF001
        ("4111111111111112", "4111111111111112"),
        ("ssn 536-90-4399", "ssn [REDACTED:ssn]"),
        ("call +49 30 23125000", "call +** ** ****5000"),
        ("DE89 3704 0044 0532 0130 00 paid", "DE** **** **** **** **30 00 paid"),
        ("postgres://app:hunter2@db/shop", "postgres://app:[REDACTED:secret]@db/shop"),
        ('{"password":"hunter2"}', '{"password":"[REDACTED:secret]"}'),
        ("Authorization: Bearer abcdef123", "Authorization: Bearer [REDACTED:secret]"),
        (b"\x00\xff", "00ff"),
        (b"bob@example.com", "b***@e***.com"),
        (["x", {"to": "bob@example.com"}], ["x", {"to": "b***@e***.com"}]),
        ({"bob@example.com": 1}, {"b***@e***.com": 1}),
        (float("inf"), "inf"),
        (1500, 1500),
        (None, None),
        (True, True),
    ],
)
def test_by_default_what_is_found_is_hidden_and_no_more(value: Any, left: Any) -> None:
    assert DEFAULT.leaving("k", value) == left


@pytest.mark.parametrize(
    "key", ["db.password", "passwd", "x.token", "clientSecret", "http.cookie", "api_key"]
)
def test_a_key_that_looks_secret_hides_its_value_whatever_it_is(key: str) -> None:
    assert [DEFAULT.leaving(key, value) for value in ("abc", 7, True)] == ["[REDACTED:secret]"] * 3


@pytest.mark.parametrize("key", ["llm.input_tokens", "tokenizer", "max_tokens"])
def test_a_key_that_counts_tokens_is_not_secret(key: str) -> None:
    assert DEFAULT.leaving(key, 7) == 7


def test_the_first_rule_by_key_wins_before_detectors() -> None:
    rules = (KeyRule("order.*", "keep"), KeyRule("*.id", "remove"), KeyRule("*.note", "truncate"))
    made = Redaction(Policy(keys=rules))
    assert made.leaving("order.id", CARD) == CARD
    assert made.leaving("user.id", "u1") is REMOVED
    assert made.leaving("a.note", "a long story of somebody") == "a long s…"
    assert made.attributes({"user.id": 1, "a": 2}) == ({"a": 2}, ["user.id"])
    assert made.leaving("customer", {"id": 7, "x": 1}) == {"x": 1}


def test_a_hash_is_the_same_for_the_same_value_and_needs_the_key() -> None:
    one = by_key("hash").leaving("k", "536-90-4399")
    assert one == by_key("hash").leaving("k", "536-90-4399")
    assert one != Redaction(Policy((KeyRule("k", "hash"),), key=bytes(32))).leaving("k", "536-90-4399")
    assert one.startswith("hmac-sha256:")
    assert len(one) == len("hmac-sha256:") + 32


@pytest.mark.parametrize("value", ["4111 1111 1111 1111", CARD, "536-90-4399", "DE89370400440532013000"])
def test_a_token_has_the_form_of_its_value_and_equal_values_stay_equal(value: str) -> None:
    token = by_key("tokenize").leaving("k", value)
    assert (token != value, len(token)) == (True, len(value))
    assert [c.isdigit() for c in token] == [c.isdigit() for c in value]
    kind = find(value, FOUND)[0].kind
    assert kind == "ssn" or find(token, FOUND)[0].kind == kind  # no social security number begins with 9
    compact = value.replace(" ", "")
    assert by_key("tokenize").leaving("k", compact).replace(" ", "") == token.replace(" ", "")


def test_what_is_encrypted_opens_with_its_key_alone_and_reads_otherwise_each_time() -> None:
    one, two = (by_key("encrypt").leaving("k", "Zoë 李雷") for _ in range(2))
    assert one != two
    assert [disguise.decrypt(each, KEY) for each in (one, two)] == ["Zoë 李雷"] * 2
    for text, key in ((one, bytes(32)), (one[:-8] + "AAAAAA==", KEY), ("enc:v1:!", KEY)):
        with pytest.raises(disguise.NotEncrypted):
            disguise.decrypt(text, key)


def test_what_is_encrypted_anew_does_not_amend_a_violation() -> None:
    one, two = (found("a", message=disguise.encrypt("x", KEY)) for _ in range(2))
    again = revised([Finding(one.id, one.value)], [two], lambda _rule: True, 1)
    assert [finding.publish for finding in again] == [False]


def test_what_begins_before_the_cut_is_hidden_whole_and_what_comes_after_is_gone() -> None:
    left = DEFAULT.leaving("k", "x" * (MAX_TEXT - 6) + " " + CARD + " " + "y" * MAX_TEXT)
    assert CARD[:6] not in left
    assert len(left) == MAX_TEXT
    assert left.endswith("…")


def test_what_cannot_be_redacted_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(redaction, "find", broken)
    before = generate_latest().count(b"betrace_redaction_failures_total 0.0")
    assert DEFAULT.leaving("k", "bob@example.com") == "[REDACTED:error]"
    assert DEFAULT.text("bob@example.com") == "[REDACTED:error]"
    assert b"betrace_redaction_failures_total 0.0" not in generate_latest()
    assert before in (0, 1)

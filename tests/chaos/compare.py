"""Holds what came out against what had to: each difference is a line, with its trace where it has one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from streams.activity import Version
from streams.state import Totals
from tests.chaos.observer import Observer
from tests.chaos.oracle import Expected, comparable
from tests.chaos.sender import Tally

REASONS = ("root", "timeout", "late")


class Difference(NamedTuple):
    """What is not as it should be, and the trace whose story tells why, if it is one trace's."""

    text: str
    trace_id: bytes | None = None


def violations(
    found: dict[str, dict[str, Any]], expected: Expected, phase: int | None
) -> Iterator[Difference]:
    """The topic's violations against the oracle's: of one phase's traces, or of all."""
    concerned = {t for t, number in expected.traces.items() if phase is None or number == phase}
    for key, wanted in expected.violations.items():
        trace_id = bytes.fromhex(wanted["traceId"])
        if trace_id in concerned:
            yield from _wanted(key, wanted, found.get(key), trace_id)
    for key, got in found.items():
        trace_id = bytes.fromhex(got["traceId"])
        if trace_id not in expected.traces:
            yield Difference(f"extra: {key} of a trace that was never sent", trace_id)
        elif trace_id in concerned:
            yield from _found(key, got, key in expected.violations, trace_id)


def _wanted(
    key: str, wanted: dict[str, Any], got: dict[str, Any] | None, trace_id: bytes
) -> Iterator[Difference]:
    if got is None or got["status"] != "open":
        how = "is not there" if got is None else f"is {got['status']}"
        yield Difference(f"lost: {key} of {wanted['ruleId']} {how}", trace_id)
    elif comparable(got) != wanted:
        yield Difference(f"different: {key}: {_unlike(comparable(got), wanted)}", trace_id)


def _found(key: str, got: dict[str, Any], wanted: bool, trace_id: bytes) -> Iterator[Difference]:
    if not wanted and got["status"] == "open":
        yield Difference(f"extra: {key} of {got['ruleId']}: {got['message']}", trace_id)
    if got["decisionReason"] not in REASONS:
        yield Difference(f"{key} was decided by {got['decisionReason']}", trace_id)


def account(totals: Totals, in_flight: int, tally: Tally, expected: Expected) -> Iterator[Difference]:
    """Each number of the account, exactly."""
    wanted = {
        "received": (totals.received, tally.spans),
        "own": (totals.own, tally.own),
        "rejected": (totals.rejected, tally.refused),
        "too late": (totals.too_late, tally.stragglers),
        "judged": (totals.judged, expected.spans),
        "duplicate": (totals.duplicate, expected.duplicates),
        "in flight": (in_flight, 0),
    }
    for name, (got, want) in wanted.items():
        if got != want:
            yield Difference(f"account: {name} is {got:,} and has to be {want:,}")


def evaluated(observer: Observer, expected: Expected) -> Iterator[Difference]:
    """The activity topic: of how many traces each version of a rule was asked."""
    sums: dict[Version, int] = {}
    for told in observer.activity():
        for each in told["versions"]:
            version = Version(told["ruleId"], each["version"])
            sums[version] = sums.get(version, 0) + each["evaluated"]
    for version in sorted(sums.keys() | expected.evaluated.keys()):
        got, want = sums.get(version, 0), expected.evaluated.get(version, 0)
        if got != want:
            yield Difference(f"activity: {version} was evaluated {got:,} times and has to be {want:,}")


def answers(found: dict[str, Any], told: dict[str, dict[str, Any]], api: str) -> Iterator[Difference]:
    """What an API answers against the topic."""
    for key in sorted(found.keys() | told.keys()):
        if found.get(key) != told.get(key):
            trace_id = bytes.fromhex((told.get(key) or found[key])["traceId"])
            how = "has not" if key not in found else "has too much" if key not in told else "has otherwise"
            yield Difference(f"{api} {how} {key}", trace_id)


def overtaken(observer: Observer) -> Iterator[Difference]:
    """What compaction would take back."""
    for key, revision in observer.overtaken().items():
        yield Difference(f"{key} stands last in its topic by revision {revision}, and has a later one")


def _unlike(got: dict[str, Any], wanted: dict[str, Any]) -> str:
    keys = [key for key in sorted(got.keys() | wanted.keys()) if got.get(key) != wanted.get(key)]
    return "; ".join(f"{key} is {got.get(key)!r} and has to be {wanted.get(key)!r}" for key in keys)[:1500]

"""Tells what a run did and came to, and of each wrong trace the whole story."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests.chaos import autopsy
from tests.chaos.faults import FAULTS
from tests.chaos.run import Run

_STORIES = 5


def lines(run: Run) -> Iterator[str]:
    """For people."""
    told = summary(run)
    length = f"{told['phases']} phases in {told['minutes']} minutes"
    yield f"seed {run.plan.seed}, clocks {run.plan.clocks}, {length}"
    yield f"settings: {json.dumps(told['settings'])}"
    yield f"sent: {json.dumps(told['sent'])}"
    yield f"violations: {json.dumps(told['violations'])}"
    yield f"rules: {json.dumps(told['rules'])}"
    yield f"faults: {sum(told['faults'].values())}"
    yield from (f"  {count:4}  {kind}" for kind, count in told["faults"].items())
    yield f"processes that ended by themselves: {len(run.world.own_ends)}"
    yield from (f"  {count:4}  {end}" for end, count in told["endedByThemselves"].items())
    yield f"seconds: {json.dumps(told['seconds'])}"
    yield f"memory: {json.dumps(told['memory'])}"
    yield f"differences: {len(run.differences)}"
    for difference in run.differences:
        yield f"  {difference.text}"
    yield from run.stories


def summary(run: Run) -> dict[str, Any]:
    """For machines."""
    latest = run.observer.latest().values()
    kinds = Counter(fault.kind for fault in run.storm.done)
    residents = [sample["residentMb"] for sample in run.memory.samples]
    return {
        "seed": run.plan.seed,
        "clocks": run.plan.clocks,
        "settings": run.plan.settings(),
        "phases": run.phases,
        "minutes": round((max([run.begun, *_ends(run)]) - run.begun) / 60, 1),
        "sent": asdict(run.sender.tally) | {"traces": len(run.expected.traces)},
        "violations": {
            "expected": len(run.expected.violations),
            **Counter(each["status"] for each in latest),
            "amended": sum(each["revision"] > 1 and each["status"] == "open" for each in latest),
            "records told again": run.observer.seen.repeats,
        },
        "rules": run.rules.changes,
        "faults": {kind: kinds[kind] for kind in FAULTS},
        "endedByThemselves": dict(Counter(_without_slot(end) for end in run.world.own_ends)),
        "seconds": {
            "barrier": _spread(run.settling),
            "workerStop": _spread(run.world.stops),
        },
        "memory": {"residentMb": _spread(residents), "samples": len(residents)},
        "differences": [difference.text for difference in run.differences],
        "done": [
            [round(f.begun - run.begun, 1), round(f.ended - run.begun, 1), str(f)] for f in run.storm.done
        ],
    }


def stories(run: Run) -> Iterator[str]:
    """Of some wrong traces all that is known, in order of time; the broker has to be there yet."""
    wrong = dict.fromkeys(d.trace_id for d in run.differences if d.trace_id is not None)
    for trace_id in list(wrong)[:_STORIES]:
        yield f"trace {trace_id.hex()} of phase {run.expected.traces.get(trace_id)}"
        yield from (f"  {at - run.begun:7.2f}  {text}" for at, text in sorted(_story(run, trace_id)))


def _story(run: Run, trace_id: bytes) -> list[tuple[float, str]]:
    events: list[tuple[float, str]] = list(autopsy.events(run.world.broker.address, trace_id))
    sent = run.sender.story.get(trace_id, [])
    for message in {id(message): message for message, _ in sent}.values():
        spans = " ".join(span.hex() for each, span in sent if each is message)
        at = f"{message.partition}/{message.offset} delivered at {message.delivered - run.begun:.2f}"
        events.append((message.sent, f"sent {message.kind} ({message.clock} clock) to {at}: {spans}"))
    for judged in run.observer.judged(trace_id):
        lag = judged.seen - judged.clock / 1000
        where = f"tick {judged.tick} of partition {judged.partition}"
        events.append((judged.seen, f"judged at {where}, by {judged.reason}, clock {lag:.2f} s behind"))
    for told in run.observer.told(trace_id):
        v = json.loads(told.body)
        spans = " ".join(span["spanId"] for span in v["spans"])
        what = f"{v['status']} {v['id']} {v['ruleId']} version {v['ruleVersion']} revision {v['revision']}"
        events.append(
            (told.seen, f"{what} at {told.partition}/{told.offset}, by {v['decisionReason']}: {spans}")
        )
    first, last = min(events, default=(0.0, ""))[0], max(events, default=(0.0, ""))[0]
    for fault in run.storm.done:
        if fault.ended > first - 15 and fault.begun < last + 5:
            events.append((fault.begun, f"    {fault} until {fault.ended - run.begun:.1f}"))
    return events


def _ends(run: Run) -> list[float]:
    return [fault.ended for fault in run.storm.done]


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        "median": round(statistics.median(values), 1),
        "most": round(max(values), 1),
        "count": len(values),
    }


def _without_slot(text: str) -> str:
    return text.partition(" ")[2][:300]

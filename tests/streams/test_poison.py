"""Ten thousand ways to spoil a message: each is judged or dead-lettered, and nothing else is harmed."""

import asyncio
import itertools
from collections import Counter
from pathlib import Path

from app.rule_files import read_rules
from dsl.compile import RuleSet, compile_rules
from streams.activity import Activity
from streams.block import Block, trace_of
from streams.config import DeadLetters, Encoding, Limits
from streams.crash import CrashPoints
from streams.fragment import NO_PARENT
from streams.ingest import Ingest
from streams.judge import Judge, Rules
from streams.letters import OFFSET, REASON, TOPIC, Record
from streams.reading import REASONS
from streams.tick import Source
from tests.poison import Poison, deep, messages, poison
from tests.streams.test_ingest import NOW, Sent

RULES = Path(__file__).parent.parent / "integration" / "train-ticket.yaml"
COUNT = 10_000
SEED = 6
ENCODINGS: dict[str, Encoding] = {"otlp_proto": "otlp_proto", "otlp_json": "otlp_json"}


def ingested(records: list[Poison]) -> tuple[Sent, Counter[str], list[int]]:
    """What a real ingest made of them, each in the topic of its encoding: sent, counts, acknowledged."""
    told: Counter[str] = Counter()
    acknowledged: list[int] = []

    async def work() -> Sent:
        sent = Sent()
        stage = Ingest(sent, 4, ENCODINGS, Limits(), CrashPoints(), lambda: NOW, DeadLetters(max_share=1.0))
        for offset, each in enumerate(records):
            record = Record(Source(each.encoding, 0), offset, NOW, b"key", each.value)
            stage.add(record, lambda offset=offset: acknowledged.append(offset))  # type: ignore[misc]
            if offset % 50 == 0:
                await stage.flush()
        await stage.flush()
        for flushed in stage.take():
            flushed.acknowledge()
            told["received"] += flushed.counts.received
            told["own"] += flushed.counts.own
            told["rejected"] += flushed.counts.rejected
        return sent

    return asyncio.run(work()), told, acknowledged


def judged(sent: Sent, rules: RuleSet) -> int:
    """Judge all that was sent on, as a worker would, and count its spans."""
    judge = Judge(lambda: Rules(rules, 0), lambda _: [], lambda: NOW * 10**6)
    spans = 0
    for block in (Block(data) for _, data in sent.blocks):
        for entry in (entry for section in block.sections() for entry in section.entries):
            trace = trace_of(entry.trace_id, [(block, entry.at)])
            for each in trace.spans:
                kept = each.message
                assert kept.trace_id in (b"", entry.trace_id)
                assert (kept.span_id or each.span_id, kept.name or each.name) == (each.span_id, each.name)
                assert kept.parent_span_id in (b"", each.parent_id or NO_PARENT)
                assert each.span_id + (each.parent_id or NO_PARENT) in entry.ids
            judge.judge(trace, "timeout", rules, Activity(0, 0))
            spans += entry.spans
    return spans


def test_poison_is_judged_or_dead_lettered_and_every_span_is_accounted_for() -> None:
    records = list(poison(SEED, COUNT))
    sent, told, acknowledged = ingested(records)
    assert acknowledged == list(range(COUNT))
    spans = judged(sent, compile_rules(read_rules([RULES])))
    assert told["received"] == spans + told["own"] + told["rejected"]
    reasons = Counter(dict(letter.headers)[REASON].decode() for letter in sent.letters)
    assert set(reasons) == set(REASONS) - {"span_too_large"}
    assert spans > COUNT
    lettered = {int(dict(letter.headers)[OFFSET]) for letter in sent.letters}
    placed = {s.position.offset for _, data in sent.blocks for s in Block(data).sections()}
    told_of = lettered | placed | {n for n, each in enumerate(records) if not each.value}
    assert told_of == set(range(COUNT))


def test_what_cannot_be_read_is_dead_lettered_as_it_came() -> None:
    records = [each for each in poison(SEED, 2000) if each.kind in ("compressed", "text")]
    sent, _, _ = ingested(records)
    whole = [letter.value for letter in sent.letters if dict(letter.headers)[TOPIC] == b"otlp_proto"]
    assert len(whole) > 50
    assert set(whole) <= {each.value for each in records}


def test_a_span_nested_too_deeply_to_be_judged_is_rejected_however_the_message_is_read() -> None:
    rules = compile_rules(read_rules([RULES]))
    spans = messages()[0].resource_spans[0].scope_spans[0].spans
    for depth, spoilt in itertools.product(range(40, 60), (False, True)):
        sent, told, _ = ingested([Poison("deep", "otlp_proto", deep(spans, depth, spoilt))])
        assert judged(sent, rules) + told["rejected"] == told["received"] == len(spans) + spoilt

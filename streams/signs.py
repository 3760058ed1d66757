"""The signs of life of a worker, as its watchdog reads them from another thread."""

from typing import Any

from faust.types import TP

from streams.owned import Owned
from streams.tick import Source
from streams.topics import Topics
from streams.watchdog import Place, View
from streams.worker import Worker


def view(worker: Worker) -> View:
    """What the worker shows now. It goes on meanwhile, so only copies are walked through."""
    owned, opening = dict(worker.owned), dict(worker.opening)
    app: Any = worker.app
    judged = sum(each.partition.judge.progress for each in owned.values())
    recovered = tuple(list(app.tables.recovery.active_offsets.values()))
    scanned = sum(store.scanned for store in opening.values())
    work = (judged, recovered, scanned, worker.rules.in_force().offset)
    spans = Topics(worker.config.kafka.group).spans
    places = {Source(*tp): _input(worker, tp) for tp in worker.inputs.owned}
    places |= {Source(spans, n): _group(app, TP(spans, n), each) for n, each in owned.items()}
    held = frozenset(Source(*tp) for tp in worker.inputs.paused)
    member = "" if app._consumer is None else app._consumer.member
    return View((worker.beats, judged), work, member, places, held, worker.ready)


def wanted(worker: Worker) -> frozenset[Source]:
    """All partitions that some worker has to own."""
    kafka = worker.config.kafka
    counts = worker.inputs.partitions | {Topics(kafka.group).spans: kafka.partitions}
    return frozenset(Source(topic, n) for topic, count in counts.items() for n in range(count))


def _input(worker: Worker, tp: TP) -> Place:
    progress = worker.ingest.progress.get(Source(*tp))
    return _place(worker.app, tp, progress.next_offset if progress else None)


def _group(app: Any, tp: TP, owned: Owned) -> Place:
    return _place(app, tp, owned.partition.applied + 1)


def _place(app: Any, tp: TP, done: int | None) -> Place:
    read = app.consumer.read(tp)
    return Place(app.consumer.place(tp), read and read.records, done, app.consumer.committed_place(tp))

"""Sees that a worker is stuck, and ends it, so that another takes over: stuck consumers raise no error."""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from streams.membership import Broker, Membership
from streams.tick import Source

log = logging.getLogger("betrace.watchdog")

STUCK = 3  # exit code
_LOOKS = 10  # in the time after which a worker counts as stuck
_AT_MOST = 5.0  # seconds between two looks
_STOPPED = 3.0  # times as long as it should take: then the process itself was stopped, and has to be forgiven


@dataclass(frozen=True, slots=True)
class Place:
    """How far a worker is in a partition.

    The next offset to read, the one after the last record read, the next one to do, the committed one.
    """

    read: int | None = None
    records: int | None = None
    done: int | None = None
    committed: int | None = None

    @property
    def owed(self) -> bool:
        """Whether something is done that is not committed."""
        return self.committed is not None and self.done is not None and self.committed < self.done


@dataclass(frozen=True, slots=True)
class Commits:
    """What is committed of a partition, as a thing to watch."""

    source: Source


@dataclass(frozen=True, slots=True)
class View:
    """What a worker shows of itself. What changes while it works is compared alone."""

    pulse: Hashable  # changes while the event loop runs or a rule is at work
    work: Hashable  # changes while recovery, rebuilding or judging goes on
    member: str  # its id in the group
    places: dict[Source, Place]
    held: frozenset[Source]  # partitions that it does not read on purpose
    waiting: str | None  # what it is waiting for


@dataclass(slots=True)
class Watch:
    """Judges looks at a worker and at its group. `patience` in seconds, of any clock."""

    patience: float
    partitions: frozenset[str]  # the topics whose partitions have to be worked on
    _since: dict[Hashable, tuple[Hashable, float]] = field(default_factory=dict)

    def frozen(self, now: float, view: View) -> str | None:
        """What to say when the event loop stands still."""
        if self._stands("loop", view.pulse, now):
            return "its event loop is frozen"
        return None

    def lost(self, now: float, view: View, group: Membership | None, wanted: frozenset[Source]) -> str | None:
        """What to say when the group does not know the worker, or left it out; None: there is no answer."""
        if group is None or not group.settled:
            self._forget("group", "share")
            return None
        if self._holds("group", view.member not in group.members, now):
            return f"its group does not know it (as {view.member or 'a member without an id'})"
        unowned = sorted(wanted - group.owned)
        idle = not self._mine(group, view) and bool(unowned)
        if self._holds("share", idle, now):
            return f"it owns nothing, and nobody owns {_names(unowned)}"
        return None

    def stuck(
        self, now: float, view: View, group: Membership | None, ends: dict[Source, int] | None
    ) -> str | None:
        """What to say when a partition that the group gave to the worker has records, and nothing moves."""
        if group is None or ends is None:
            self._since = {key: value for key, value in self._since.items() if not isinstance(key, Source)}
            return None
        mine = self._mine(group, view)
        self._forget(*(key for key in self._since if _source(key) and _source(key) not in mine))
        for source in sorted(mine):
            place, end = view.places.get(source, Place()), ends.get(source, 0)
            if problem := self._uncommitted(now, source, place):
                return problem
            if source in view.held or not _behind(place, end):
                self._forget(source)
            elif self._stands(source, (place, view.work), now):
                return _told(source, place, end, view.waiting)
        return None

    def _uncommitted(self, now: float, source: Source, place: Place) -> str | None:
        """What to say when offsets are not committed; after twice the patience, as all else comes first."""
        if not place.owed:
            self._forget(Commits(source))
            return None
        if not self._stands(Commits(source), place.committed, now, 2 * self.patience):
            return None
        done = f"{source.topic}/{source.partition} is done up to offset {place.done}"
        return f"{done}, and nothing is committed after {place.committed}"

    def _mine(self, group: Membership, view: View) -> frozenset[Source]:
        owned = group.members.get(view.member, frozenset())
        return frozenset(source for source in owned if source.topic in self.partitions)

    def _holds(self, key: str, wrong: bool, now: float) -> bool:
        if not wrong:
            self._forget(key)
            return False
        return self._stands(key, True, now)

    def _stands(self, key: Hashable, value: Hashable, now: float, patience: float | None = None) -> bool:
        """Whether a value has been the same for too long."""
        before = self._since.get(key)
        if before is None or before[0] != value:
            self._since[key] = (value, now)
            return False
        return now - before[1] >= (patience or self.patience)

    def _forget(self, *keys: Hashable) -> None:
        for key in keys:
            self._since.pop(key, None)


@dataclass(slots=True)
class Watchdog:
    """A thread that looks at a worker, and ends the process when it is stuck. `seconds` is the patience."""

    view: Callable[[], View]  # of the worker
    wanted: Callable[[], frozenset[Source]]  # all partitions that some worker has to own
    broker: Broker
    watch: Watch
    end: Callable[[str], None]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _now: float = 0.0  # seconds that the process has run

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        pause = min(_AT_MOST, self.watch.patience / _LOOKS)
        last = time.monotonic()
        while not self._stopping.wait(pause):
            # a process that was stopped is not to blame for what it did not do meanwhile
            began = time.monotonic()
            self._now += min(began - last, pause * _STOPPED)
            try:
                problem = self.watch.frozen(self._now, self.view()) or self._look()
            except Exception:
                log.exception("the watchdog could not look")
                problem = None
            if problem and not self._stopping.is_set():
                self.end(problem)
                return
            last = time.monotonic()
            self._now += min(last - began, pause * _STOPPED)

    def _look(self) -> str | None:
        group = self.broker.membership()
        view = self.view()
        mine = group.members.get(view.member, frozenset()) if group else frozenset()
        ends = self.broker.ends(s for s in mine if s.topic in self.watch.partitions)
        view = self.view()
        lost = self.watch.lost(self._now, view, group, self.wanted())
        return lost or self.watch.stuck(self._now, view, group, ends)


def _source(key: Hashable) -> Source | None:
    """The partition that is watched under a key."""
    if isinstance(key, Commits):
        return key.source
    return key if isinstance(key, Source) else None


def end_process(problem: str) -> None:
    """Say where every thread stands and what is wrong, and end: in order it would not come about."""
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.write(f"betrace: the worker ends itself, so that another takes over: {problem}\n")
    sys.stderr.flush()
    os._exit(STUCK)


def _behind(place: Place, end: int) -> bool:
    if place.read is None or place.done is None:
        return end > 0
    return place.read < end or (place.records is not None and place.records > place.done)


def _told(source: Source, place: Place, end: int, waiting: str | None) -> str:
    at = "nothing of it is known" if place.done is None else f"it stands at offset {place.done} of {end}"
    why = f"; {waiting}" if waiting else ""
    return f"{source.topic}/{source.partition} has records, and nothing moves: {at}{why}"


def _names(sources: Iterable[Source]) -> str:
    return ", ".join(f"{source.topic}/{source.partition}" for source in sources)

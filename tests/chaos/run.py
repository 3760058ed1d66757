"""One run: phases of traffic under faults, each followed by a barrier at which all has to be right."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.chaos import compare
from tests.chaos.compare import Difference
from tests.chaos.memory import Memory
from tests.chaos.observer import Observer
from tests.chaos.oracle import Expected
from tests.chaos.plan import Plan
from tests.chaos.rest import ask, metric, violations
from tests.chaos.rulebook import Rulebook
from tests.chaos.sender import Sender
from tests.chaos.storm import Storm
from tests.chaos.traffic import phase
from tests.chaos.world import Kind, World

_SHORTEST = 10.0  # seconds of a phase
_SETTLED = 180.0  # seconds within which everything has to be judged when nothing disturbs it
_TOLD = 60.0  # seconds until activity has been told, and indexes have caught up
_LOOK = 0.5

Say = Callable[[str], None]


@dataclass(slots=True)
class Run:
    """All that a run is made of, and what it came to."""

    plan: Plan
    say: Say
    folder: Path
    world: World = field(init=False)
    observer: Observer = field(init=False)
    sender: Sender = field(init=False)
    storm: Storm = field(init=False)
    memory: Memory = field(init=False)
    rules: Rulebook = field(default_factory=Rulebook)
    expected: Expected = field(default_factory=Expected)
    differences: list[Difference] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)  # of wrong traces
    settling: list[float] = field(default_factory=list)  # seconds that each barrier took
    phases: int = 0
    begun: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.world = World(self.plan, self.folder, self.note)
        self.observer = Observer(self.world.broker.address)
        self.sender = Sender(self.plan, self.world.broker.address, self.observer, self.folder)
        self.storm = Storm(self.plan, self.world, self.note)
        self.memory = Memory(self.world, self.plan.memory)

    def note(self, text: str) -> None:
        """Say something, with the seconds since the beginning."""
        self.say(f"{time.time() - self.begun:7.1f}  {text}")

    def go(self) -> None:
        """Phases until the time is over, faults are enough, or something is wrong."""
        self.world.start()
        self.observer.start()
        self.memory.start()
        self._until("everything is ready", self.world.ready)
        self.rules.begin(self._urls()[0])
        self._rules_arrive()
        end = time.monotonic() + 60 * self.plan.minutes
        for self.phases in count(1):
            self._phase(min(self.plan.phase, max(_SHORTEST, end - time.monotonic())))
            if self.differences or self.storm.enough or time.monotonic() > end:
                break
            for change in self.rules.change(self._urls(), self.plan.draw(f"rules {self.phases}")):
                self.note(f"rule {change}")
            self._rules_arrive()
        self._last_look()

    def _phase(self, seconds: float) -> None:
        made = phase(self.plan, self.phases, seconds, time.time_ns())
        spans = sum(message.spans for message in made.messages)
        self.note(
            f"phase {self.phases}: {len(made.traces):,} traces, {spans:,} spans, {len(made.held)} late parts"
        )
        in_force = self.rules.in_force()
        self.storm.begin()
        file = self.sender.play(made)
        self.storm.end()
        self.expected.add(self.phases, file, in_force)
        self._barrier()

    def _barrier(self) -> None:
        """Everything runs and nothing is sent: all has to be judged, published, and as the oracle says."""
        begun = time.monotonic()
        kinds: tuple[Kind, ...] = ("worker", "api")
        for kind in kinds:
            if not self.world.of(kind):
                self.world.start_process(self.world.of(kind, wanted=False)[0])
        self._until("all spans are judged", self._settled, _SETTLED)
        ticks = self.observer.ticks()  # more come all the time, and are committed once a second
        self._until("what was judged is published", lambda: self.observer.published(ticks))
        self.settling.append(time.monotonic() - begun)
        totals, in_flight = self.observer.account()
        self.differences += compare.account(totals, in_flight, self.sender.tally, self.expected)
        self.differences += self._at_last(
            lambda: compare.violations(self.observer.latest(), self.expected, self.phases)
        )
        self.differences += map(Difference, [*self.sender.problems, *self.storm.problems])
        self.note(
            f"barrier {self.phases}: {self.settling[-1]:.1f} s, {totals}, {len(self.differences)} differences"
        )

    def _settled(self) -> bool | None:
        totals, in_flight = self.observer.account()
        done = totals.judged + totals.duplicate + totals.own + totals.too_late + totals.rejected
        return (totals.received == self.sender.tally.spans == done and not in_flight) or None

    def _last_look(self) -> None:
        """All of it once more, as the APIs show it too, and what was told of the rules."""
        self._until("everything is ready at the end", self.world.ready)
        told = self.observer.latest()
        self.differences += compare.violations(told, self.expected, None)
        self.differences += map(Difference, self.observer.seen.conflicts)
        for slot in self.world.of("api"):
            self.differences += self._at_last(
                lambda slot=slot: compare.answers(
                    violations(slot.url) or {}, self.observer.latest(), slot.name
                )  # type: ignore[misc]
            )
        self.differences += self._at_last(lambda: compare.evaluated(self.observer, self.expected))
        self.differences += self._at_last(lambda: compare.overtaken(self.observer))
        self.differences = list(dict.fromkeys(self.differences))

    def _at_last(self, look: Callable[[], Iterable[Difference]]) -> list[Difference]:
        """The differences that stay: what is read behind may take its time."""
        end = time.monotonic() + _TOLD
        while (found := list(look())) and time.monotonic() < end:
            time.sleep(_LOOK)
        return found

    def _until(self, what: str, look: Callable[[], bool | None], seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while look() is None:
            if time.monotonic() > end:
                self.differences.append(Difference(f"not within {seconds:.0f} s: {what}; {self._state()}"))
                return
            time.sleep(_LOOK)

    def _state(self) -> str:
        totals, in_flight = self.observer.account()
        sent, clocks = self.sender.tally, self.observer.clocks()
        return f"{sent}; {totals}, {in_flight} in flight; clocks {clocks}; {self.world.waiting()}"

    def _rules_arrive(self) -> None:
        def arrived() -> bool | None:
            workers = [metric(slot.url, "betrace_rules_log_offset") for slot in self.world.of("worker")]
            shown = [ask(f"{url}/api/rules?limit=1000")[1] for url in self._urls()]
            own = {rule.id: rule.version for rule in self.rules.rules.values()}
            apis = [page and {each["id"]: each["version"] for each in page["items"]} == own for page in shown]
            return (all(apis) and all(offset == self.rules.written for offset in workers)) or None

        self._until("the rules arrive everywhere", arrived)

    def _urls(self) -> list[str]:
        return [slot.url for slot in self.world.of("api")]


@contextmanager
def run(plan: Plan, say: Say, stories: Callable[["Run"], Iterable[str]]) -> Iterator[Run]:
    """A finished run, to be looked at; all processes have ended, however it went.

    `stories` tells of wrong traces while the broker is still there.
    """
    folder = Path(tempfile.mkdtemp(prefix="betrace-chaos-"))
    made = Run(plan, say, folder)
    try:
        try:
            made.go()
            made.stories += stories(made)
        finally:
            made.memory.stop()
            made.observer.stop()
            made.world.stop()
        yield made
    finally:
        if plan.folder is not None:
            plan.folder.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copy(log, plan.folder)
        shutil.rmtree(folder, ignore_errors=True)

"""Does one fault after the other, at times two at once, until it is told to rest."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from tests.chaos.faults import FAULTS, done
from tests.chaos.plan import Plan
from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that was done: when (Unix s), and what it said."""

    kind: str
    begun: float
    ended: float
    told: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.told}"


@dataclass(slots=True)
class Storm:
    """The faults of a run. Kinds are drawn as from a deck, so that each comes as often as the others."""

    plan: Plan
    world: World
    note: Callable[[str], None]
    done: list[Done] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _number: int = 0
    _draw: random.Random = field(init=False)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "fault"))
    _rest: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._draw = self.plan.draw("faults")

    def begin(self) -> None:
        """Let it loose."""
        self._rest.clear()
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Return when all that was begun is done, and what it stopped runs again."""
        self._rest.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def enough(self) -> bool:
        """Whether as many faults were done as were asked for."""
        return self.plan.faults is not None and len(self.done) >= self.plan.faults

    def _run(self) -> None:
        going: set[Future[None]] = set()
        while not self._rest.wait(self._draw.uniform(0, self.plan.pause)) and not self.enough:
            self._number += 1
            chance = self.plan.draw(f"fault {self._number}")
            going.add(self._pool.submit(self._do, self._next(), chance))
            at_once = 2 if chance.random() < 0.25 else 1
            while len(going) >= at_once:
                going -= wait(going, timeout=0.2).done
        wait(going)

    def _next(self) -> str:
        if not self._deck:
            self._deck = list(self.plan.kinds or FAULTS)
            self._draw.shuffle(self._deck)
        return self._deck.pop()

    def _do(self, kind: str, chance: random.Random) -> None:
        begun = time.time()
        try:
            told = FAULTS[kind](self.world, chance)
        except Exception as problem:
            self.problems.append(f"{kind} could not be done: {type(problem).__name__}: {problem}")
            return
        if done(told):
            self.done.append(Done(kind, begun, time.time(), told))
        self.note(f"{kind}: {told}")

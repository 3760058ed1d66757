"""What is done to the processes, to the broker and to the connections between them. Each says what it did."""

import random
import signal
import time
from collections.abc import Callable

from streams.crash import POINTS
from tests.chaos.world import Kind, Slot, World

_SESSION = 10.0  # seconds, the time-out of a worker's session with the broker
_REACHED = 25.0  # seconds within which a crash point is passed, or is not
_NOTHING = "nothing to do it to"

Fault = Callable[[World, random.Random], str]


def _worker_killed(world: World, draw: random.Random) -> str:
    with world.taken("worker", draw) as slot:
        if slot is None:
            return _NOTHING
        world.kill(slot)
        return _started_again(world, draw, slot)


def _worker_killed_and_wiped(world: World, draw: random.Random) -> str:
    with world.taken("worker", draw) as slot:
        if slot is None:
            return _NOTHING
        world.kill(slot)
        world.wipe(slot)
        return _started_again(world, draw, slot)


def _worker_stopped(world: World, draw: random.Random) -> str:
    with world.taken("worker", draw) as slot:
        if slot is None:
            return _NOTHING
        world.terminate(slot)
        return _started_again(world, draw, slot)


def _started_again(world: World, draw: random.Random, slot: Slot) -> str:
    """Start it at once, soon, or when its session with the broker has ended."""
    away = draw.choice((0.0, 1.0, 3.0, _SESSION + 2))
    time.sleep(away)
    world.start_process(slot)
    return f"{slot.name}, away for {away:.0f} s"


def _killed_at(point: str) -> Fault:
    def fault(world: World, draw: random.Random) -> str:
        with world.taken("worker", draw) as slot:
            if slot is None:
                return _NOTHING
            world.terminate(slot)
            count = draw.choice((1, 1, 2, 5))
            world.start_process(slot, BETRACE_WORKER_CRASH_AT=f"{point}:{count}")
            end = time.monotonic() + _REACHED
            while slot.alive and time.monotonic() < end:
                time.sleep(0.1)
            died = not slot.alive
            world.kill(slot)
            how = _started_again(world, draw, slot)
            return (
                f"{how}, the {count}. time that it passed"
                if died
                else f"{_NOTHING}: {slot.name} did not pass"
            )

    return fault


def _frozen_shortly(world: World, draw: random.Random) -> str:
    return _frozen(world, draw, "worker", draw.uniform(0.5, 4))


def _frozen_past_its_session(world: World, draw: random.Random) -> str:
    return _frozen(world, draw, "worker", draw.uniform(_SESSION + 1, _SESSION + 5))


def _api_frozen(world: World, draw: random.Random) -> str:
    return _frozen(world, draw, "api", draw.uniform(0.5, _SESSION))


def _frozen(world: World, draw: random.Random, kind: Kind, seconds: float) -> str:
    with world.taken(kind, draw) as slot:
        if slot is None:
            return _NOTHING
        world.send(slot, signal.SIGSTOP)
        time.sleep(seconds)
        world.send(slot, signal.SIGCONT)
        return f"{slot.name} for {seconds:.1f} s"


def _added(kind: Kind) -> Fault:
    def fault(world: World, draw: random.Random) -> str:
        with world.taken(kind, draw, wanted=False) as slot:
            if slot is None:
                return _NOTHING
            world.start_process(slot)
            return slot.name

    return fault


def _removed(kind: Kind) -> Fault:
    def fault(world: World, draw: random.Random) -> str:
        if len(world.of(kind)) < 2:
            return _NOTHING
        with world.taken(kind, draw) as slot:
            if slot is None:
                return _NOTHING
            slot.wanted = False
            world.terminate(slot)
            return slot.name

    return fault


def _api_killed(world: World, draw: random.Random) -> str:
    with world.taken("api", draw) as slot:
        if slot is None:
            return _NOTHING
        world.kill(slot)
        return _started_again(world, draw, slot)


def _api_stopped(world: World, draw: random.Random) -> str:
    with world.taken("api", draw) as slot:
        if slot is None:
            return _NOTHING
        world.terminate(slot)
        return _started_again(world, draw, slot)


def _index_deleted(world: World, draw: random.Random) -> str:
    with world.taken("api", draw) as slot:
        if slot is None:
            return _NOTHING
        world.kill(slot)
        world.wipe(slot)
        return _started_again(world, draw, slot)


def _broker_restarted(world: World, draw: random.Random) -> str:
    return _broker_away(world, draw, kill=False)


def _broker_killed(world: World, draw: random.Random) -> str:
    return _broker_away(world, draw, kill=True)


def _broker_away(world: World, draw: random.Random, *, kill: bool) -> str:
    with world.broker_lock:
        begun = time.monotonic()
        world.broker.stop(kill=kill)
        time.sleep(draw.uniform(0, 4))
        world.start_broker()
        return f"away for {time.monotonic() - begun:.1f} s"


def _connections_cut(world: World, draw: random.Random) -> str:
    """At once, or refused for a while too; of one process, or of all."""
    links = _some_links(world, draw)
    seconds = draw.choice((0.0, 2.0, _SESSION + 3))
    for link in links:
        link.cut()
    time.sleep(seconds)
    for link in links:
        link.mend()
    return f"{len(links)} links for {seconds:.0f} s"


def _connections_stalled(world: World, draw: random.Random) -> str:
    links = _some_links(world, draw)
    seconds = draw.uniform(2, _SESSION + 5)
    for link in links:
        link.stall()
    time.sleep(seconds)
    for link in links:
        link.mend()
    return f"{len(links)} links for {seconds:.1f} s"


def _some_links(world: World, draw: random.Random) -> list:  # type: ignore[type-arg]
    """All of them, or that of a worker that runs."""
    if draw.random() < 0.3:
        return world.links.links
    workers = world.of("worker")
    return [draw.choice(workers).link] if workers else world.links.links


FAULTS: dict[str, Fault] = {
    "worker killed": _worker_killed,
    "worker killed and wiped": _worker_killed_and_wiped,
    "worker stopped": _worker_stopped,
    "worker frozen shortly": _frozen_shortly,
    "worker frozen past its session": _frozen_past_its_session,
    "worker added": _added("worker"),
    "worker removed": _removed("worker"),
    "API killed": _api_killed,
    "API stopped": _api_stopped,
    "API frozen": _api_frozen,
    "API added": _added("api"),
    "API removed": _removed("api"),
    "index deleted": _index_deleted,
    "broker restarted": _broker_restarted,
    "broker killed": _broker_killed,
    "connections cut": _connections_cut,
    "connections stalled": _connections_stalled,
    **{f"worker killed at {point}": _killed_at(point) for point in POINTS},
}


def done(told: str) -> bool:
    """Whether a fault found something to be done to."""
    return not told.startswith(_NOTHING)

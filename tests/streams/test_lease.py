"""The lease: held from an answered heartbeat until others may own the partitions, also over a freeze."""

import asyncio
from dataclasses import dataclass, field

from streams.lease import Lease


@dataclass
class Coordinator:
    """Stands in for aiokafka's: heartbeats are answered or not, and take a while."""

    clock: list[float]
    answers: list[bool] = field(default_factory=list)

    async def _do_heartbeat(self) -> bool:
        self.clock[0] += 1
        return self.answers.pop(0)


def followed(*answers: bool) -> tuple[Lease, Coordinator, list[float]]:
    clock = [100.0]
    coordinator = Coordinator(clock, list(answers))
    lease = Lease(10, lambda: clock[0])
    lease.follow(coordinator)
    lease.follow(coordinator)
    return lease, coordinator, clock


def test_it_is_held_after_an_answered_heartbeat_and_no_longer_than_the_session_from_its_sending() -> None:
    lease, coordinator, clock = followed(True)
    assert not lease.held
    assert asyncio.run(coordinator._do_heartbeat())
    assert lease.held
    clock[0] = 107.9
    assert lease.held
    clock[0] = 108.0  # two seconds before the session ends
    assert not lease.held


def test_a_heartbeat_that_the_broker_refuses_does_not_renew_it() -> None:
    lease, coordinator, clock = followed(True, False)
    asyncio.run(coordinator._do_heartbeat())
    clock[0] = 120.0
    assert not asyncio.run(coordinator._do_heartbeat())
    assert not lease.held


def test_who_waits_goes_on_when_it_is_renewed() -> None:
    async def work() -> bool:
        lease, coordinator, _ = followed(True)
        waiting = asyncio.create_task(lease.wait())
        await asyncio.sleep(0)
        before = waiting.done()
        await coordinator._do_heartbeat()
        await waiting
        return before

    assert asyncio.run(work()) is False

"""For how long this worker surely owns its partitions, by the broker's answers to its heartbeats."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LOOK = 0.05  # seconds between two looks
_MARGIN = 2.0  # seconds for what is written at the lease's end to arrive


@dataclass(slots=True)
class Lease:
    """Held from a heartbeat that the broker answered until its session with this worker may have ended.

    A worker that was frozen, or cut off, does not know yet that others own its partitions: what it wrote
    would overwrite what they wrote since. `timer` gives seconds that go on while the process is frozen.
    """

    session: float  # seconds after which the broker gives a silent worker's partitions to others
    timer: Callable[[], float] = time.monotonic
    _until: float = -math.inf

    @property
    def held(self) -> bool:
        """Whether nobody else can own the partitions yet."""
        return self.timer() < self._until

    async def wait(self) -> None:
        """Return when it is held (again)."""
        while not self.held:
            await asyncio.sleep(_LOOK)

    def follow(self, coordinator: Any) -> None:
        """Be renewed by the heartbeats of an aiokafka coordinator; following it again does nothing."""
        heartbeat = coordinator._do_heartbeat
        if getattr(heartbeat, "lease", None) is self:
            return

        async def beat() -> bool:
            asked = self.timer()
            answered = bool(await heartbeat())
            if answered:
                self._until = asked + self.session - _MARGIN
            return answered

        beat.lease = self  # type: ignore[attr-defined]
        coordinator._do_heartbeat = beat

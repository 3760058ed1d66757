"""Publishes what was judged, and acknowledges records in order, once all that they led to is durable."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from streams import metrics, upheld
from streams.crash import CrashPoints
from streams.evidence import records
from streams.lease import Lease
from streams.partition import Step
from streams.producer import Producer
from streams.topics import Topics


@dataclass(slots=True)
class Publisher:
    """One partition's way out: steps leave in the order in which they were put.

    A step's writes must be durable before its violations are sent, and those before `acknowledge` is called.
    A failure ends in `failed`: state is unsure then, and the process has to go.
    """

    producer: Producer
    lease: Lease
    topics: Topics
    crash: CrashPoints
    failed: Callable[[BaseException], Awaitable[None]]
    now: Callable[[], int]
    evidence: bool = True  # whether violations also become spans
    waiting: int = 64
    _steps: asyncio.Queue[tuple[Step, float | None, Callable[[], object]]] = field(init=False)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish; needs a running loop."""
        self._steps = asyncio.Queue(self.waiting)
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Drop what has not left: it will be read again."""
        if self._task is not None:
            self._task.cancel()

    async def put(self, step: Step, time: float | None, acknowledge: Callable[[], object]) -> None:
        """Queue a step; `time` is its record's, in Unix seconds. Waits while too many are on their way."""
        await self._steps.put((step, time, acknowledge))

    async def _run(self) -> None:
        try:
            while True:
                await self._leave(*await self._steps.get())
        except asyncio.CancelledError:
            raise
        except BaseException as problem:
            await self.failed(problem)

    async def _leave(self, step: Step, time: float | None, acknowledge: Callable[[], object]) -> None:
        for write in step.writes:
            await write
        await self.lease.wait()
        await self._send(self.topics.activity, step.activity)
        if step.violations or step.upheld:
            self.crash.reach("judged-written")
            await self._send(self.topics.violations, step.violations)
            await self._prove(step)
            metrics.PUBLISHED.labels("written").inc(len(step.violations))
            if time is not None and step.violations:
                metrics.DETECTION_DELAY.observe(max(0.0, self.now() / 1e9 - time))
            self.crash.reach("published")
        acknowledge()
        metrics.LAST_COMMIT.set(self.now() / 1e9)

    async def _prove(self, step: Step) -> None:
        """Write the violations of a step, and what held, as spans: a repeat writes the same."""
        if self.evidence:
            broken = records(value for _, value in step.violations)
            held = upheld.records(step.upheld)
            await self._send(self.topics.evidence, broken + held)
            metrics.EVIDENCE.labels("broken").inc(len(broken))
            metrics.EVIDENCE.labels("held").inc(len(held))

    async def _send(self, topic: str, records: list[tuple[str, bytes]]) -> None:
        """Send records, and wait until all are written."""
        for future in [await self.producer.send(topic, value, key=key.encode()) for key, value in records]:
            await future

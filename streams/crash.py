"""Named points at which a test can have the process killed, to see that nothing is lost there."""

import os
import signal
from dataclasses import dataclass

POINTS = (
    "blocks-sent",  # ingest: blocks acknowledged, nothing told of them
    "ticks-sent",  # ingest: their counts told in ticks, input not acknowledged
    "restored",  # group: state rebuilt, no record applied yet
    "block-written",  # group: block in RocksDB and on its way to the changelog
    "judged-written",  # evaluate: verdicts in the changelog, nothing published
    "published",  # publish: violations acknowledged, the tick not
    "state-written",  # group: the tick's state in RocksDB, where its traces were judged is not
    "tick-written",  # group: all of the tick in RocksDB, its event not acknowledged
)


@dataclass(slots=True)
class CrashPoints:
    """At most one armed point: `name` or `name:n`, the n-th time that it is passed."""

    armed: str | None = None
    passed: int = 0

    def reach(self, name: str) -> None:
        """Die at once, as by `kill -9`, if this is the armed point."""
        if self.armed is None or self.armed.partition(":")[0] != name:
            return
        self.passed += 1
        if self.passed >= int(self.armed.partition(":")[2] or 1):
            os.kill(os.getpid(), signal.SIGKILL)

"""Named points at which a test can have the process killed or stuck, to see that nothing is lost there."""

import os
import signal
import threading
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
FETCH = "fetch"  # the thread that reads from Kafka: before it takes what was fetched


@dataclass(slots=True)
class CrashPoints:
    """At most one armed point: `name`, or `name:n` for its n-th passing, after `freeze@`, `mute@` or nothing.

    Without either the process dies as by `kill -9`. `freeze` has the thread wait for ever; `mute` has `reach`
    say from then on that nothing more is to be done there.
    """

    armed: str | None = None
    passed: int = 0

    def reach(self, name: str) -> bool:
        """Do what the armed point says, if this is it; whether it is mute."""
        if self.armed is None:
            return False
        action, _, point = self.armed.rpartition("@")
        armed, _, times = point.partition(":")
        if armed != name:
            return False
        self.passed += 1
        if self.passed < int(times or 1):
            return False
        if action == "freeze":
            threading.Event().wait()
        elif action != "mute":
            os.kill(os.getpid(), signal.SIGKILL)
        return True

"""What a process uses, from /proc, and the cores it may use."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")  # a second


class Process:
    """A process by its id; all that is asked of it needs it to be alive."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of CPU so far, user's and system's."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, what: str = "VmHWM") -> int:
        """MB: VmRSS is resident now, VmHWM its peak."""
        return self._value("status", what) // 1024

    def written(self) -> int:
        """Bytes that it has had written to disk."""
        return self._value("io", "write_bytes")

    def _value(self, file: str, name: str) -> int:
        lines = self._read(file).splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])

    def _read(self, file: str) -> str:
        return Path(f"/proc/{self.pid}/{file}").read_text()


@contextlib.contextmanager
def on_cores(cores: Iterable[int]) -> Iterator[None]:
    """Processes that are started in the block may use these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""Looks now and then at what each worker takes of memory and disk."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.world import World

_EVERY = 5.0  # seconds


class Memory:
    """Samples in a thread: seconds since the beginning, worker, process, MB resident, MB on disk."""

    def __init__(self, world: World, file: Path | None) -> None:
        self.samples: list[dict[str, Any]] = []
        self._world = world
        self._file = file
        self._begun = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Write the file, if one was asked for."""
        self._stopping.set()
        self._thread.join(10)
        if self._file is not None:
            self._file.write_text("".join(json.dumps(sample) + "\n" for sample in self.samples))

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY):
            self.samples += self._look()

    def _look(self) -> Iterator[dict[str, Any]]:
        at = round(time.monotonic() - self._begun, 1)
        for slot in self._world.of("worker"):
            process = slot.process
            resident = _resident(process.pid) if process is not None else None
            if resident is not None and process is not None:
                yield {
                    "seconds": at,
                    "worker": slot.name,
                    "pid": process.pid,
                    "residentMb": round(resident / 2**10, 1),
                    "diskMb": round(_size(slot.folder) / 2**20, 1),
                }


def _resident(pid: int) -> int | None:
    """kB; None for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total

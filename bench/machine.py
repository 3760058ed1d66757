"""What a benchmark ran on."""

import os
import platform
import re
from pathlib import Path

_TOP = Path(__file__).parent.parent
_KAFKA = ("deploy/kafka/pom.xml", r"kafka_2.13</artifactId>\s*<version>([0-9.]+)")
_COLLECTOR = ("bench/collector.yaml", r"  version: ([0-9.]+)")


def machine() -> str:
    """Processor, cores and memory, and the versions of what was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    parts = (
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB",
        f"Python {platform.python_version()}",
        f"Apache Kafka {_version(*_KAFKA)}",
        f"Collector {_version(*_COLLECTOR)}",
    )
    return ", ".join(parts)


def _version(file: str, pattern: str) -> str:
    found = re.search(pattern, (_TOP / file).read_text())
    return found[1] if found else "of unknown version"

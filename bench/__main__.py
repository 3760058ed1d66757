"""Starts a Kafka and runs the benchmarks against it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kafka import Kafka


def main() -> None:
    """Run the worker's benchmark with the arguments given."""
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder)).start()
        try:
            command = [sys.executable, "-m", "bench.worker", "--brokers", kafka.address, *sys.argv[1:]]
            sys.exit(subprocess.run(command).returncode)
        finally:
            kafka.remove()


if __name__ == "__main__":
    main()

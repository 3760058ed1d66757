"""Where BeTrace reads the clock."""

import time
from datetime import UTC, datetime


def now() -> int:
    """Unix time in ns."""
    return time.time_ns()


def text(at: int) -> str:
    """RFC 3339 of a Unix time in ns, to the millisecond."""
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

import re
import subprocess
import sys
from pathlib import Path

from streams.crash import POINTS, CrashPoints

ARCHITECTURE = Path(__file__).parent.parent.parent / "docs" / "architecture.md"


def test_it_is_written_down_of_each_point_why_nothing_is_lost_there() -> None:
    assert re.findall(r"^\| `([a-z-]+)`: .+ \| .+ \|$", ARCHITECTURE.read_text(), re.MULTILINE) == list(
        POINTS
    )


def test_an_armed_point_kills_the_process_at_its_nth_passing() -> None:
    program = (
        "from streams.crash import CrashPoints\n"
        "points = CrashPoints('published:2')\n"
        "for name in ('published', 'block-written', 'published', 'published'):\n"
        "    print(name, flush=True); points.reach(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -9
    assert done.stdout.split() == ["published", "block-written", "published"]


def test_a_point_that_is_not_armed_does_nothing() -> None:
    for name in POINTS:
        CrashPoints().reach(name)

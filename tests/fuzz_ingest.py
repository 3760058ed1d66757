"""Fuzzes ingest with atheris: `make fuzz` (an hour), or `python -m tests.fuzz_ingest -max_total_time=60`.

Whatever the bytes of a record, in either encoding, its spans are placed, rejected or BeTrace's own, those
that are placed parse as what grouping takes them for, and a message that is scanned is cut as it is parsed;
anything else is a crash, and the bytes that led to it are kept. It takes libFuzzer's options and starts from
spoilt messages (`tests/poison.py`).
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["streams.split", "streams.otlp", "streams.otlp_json", "streams.reading"]
):
    from tests.poison import Poison, poison
    from tests.streams.test_poison import RULES, ingested, judged
    from tests.streams.test_scan import is_scanned

from app.rule_files import read_rules
from dsl.compile import compile_rules

_SEEDS = 2000
_RULES = compile_rules(read_rules([RULES]))


def one(data: bytes) -> None:
    """Try one record: the first bit says in which encoding."""
    encoding = "otlp_json" if data[:1] > b"\x7f" else "otlp_proto"
    if encoding == "otlp_proto":
        is_scanned(data[1:])
    sent, told, acknowledged = ingested([Poison("fuzzed", encoding, data[1:])])  # type: ignore[arg-type]
    if judged(sent, _RULES) + told["own"] + told["rejected"] != told["received"]:
        raise AssertionError(f"spans are not accounted for: {told}")
    if acknowledged != [0] or (data[1:] and not sent.blocks and not sent.letters and not told["own"]):
        raise AssertionError("a record led to nothing")


def main() -> None:
    """Run libFuzzer."""
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(poison(0, _SEEDS)):
            head = b"\xff" if each.encoding == "otlp_json" else b"\0"
            (Path(folder) / f"{number}").write_bytes(head + (each.value or b""))
        atheris.Setup([*sys.argv, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""The page for those who come from older BeTrace: its sessions, from an older rule file to a violation."""

import re
from pathlib import Path

from tests.integration.processes import Betrace, until
from tests.kafka import Kafka

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()


def test_the_four_phases_go_as_the_page_says(kafka: Kafka, group: str, tmp_path: Path) -> None:
    betrace = Betrace.on(kafka, group, tmp_path).set("TRACE_TICK", "200ms").set("TRACE_MAX_WAIT", "5s")
    betrace.set("TRACE_ROOT_GRACE", "1s")
    older = re.findall(r"`old-rules.yaml`:\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    (betrace.session_folder / "old-rules.yaml").write_text(older[0])
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        assert len(betrace.session(PAGE, API=api.url, WORKER=worker.url)) > 15

"""A worker's folder is one worker's, and holds the state of its own topics or is refused."""

import dataclasses
from pathlib import Path

import pytest

from streams.data_dir import DataDirError, Whose, claim, held, marked, size, wipe

MINE = Whose("betrace", "cluster-1", {"betrace.spans": "a", "betrace-state-changelog": "b"})


def with_state(folder: Path) -> Path:
    (folder / "v1" / "tables").mkdir(parents=True)
    (folder / "v1" / "tables" / "1.db").write_bytes(b"x" * 100)
    return folder


def test_a_new_folder_is_marked_and_may_be_used_again(tmp_path: Path) -> None:
    claim(tmp_path, MINE)
    with_state(tmp_path)
    claim(tmp_path, MINE)
    assert marked(tmp_path) == MINE


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (dataclasses.replace(MINE, group="other"), "state of the group betrace, and kafka.group is other"),
        (dataclasses.replace(MINE, cluster="c2"), "state of another Kafka cluster, cluster-1 instead of c2"),
        (
            dataclasses.replace(MINE, topics={**MINE.topics, "betrace.spans": "new"}),
            "state of before betrace.spans was made anew",
        ),
    ],
)
def test_state_of_something_else_is_refused_and_not_touched(tmp_path: Path, now: Whose, said: str) -> None:
    claim(tmp_path, MINE)
    with_state(tmp_path)
    with pytest.raises(DataDirError) as refused:
        claim(tmp_path, now)
    assert said in str(refused.value)
    assert "betrace wipe" in str(refused.value)
    assert marked(tmp_path) == MINE
    assert size(tmp_path) == 100


@pytest.mark.parametrize("mark", [None, b"", b"{}", b'{"group": 1}', b"\xff"])
def test_state_that_nothing_tells_of_is_refused(tmp_path: Path, mark: bytes | None) -> None:
    with_state(tmp_path)
    if mark is not None:
        (tmp_path / "state.json").write_bytes(mark)
    with pytest.raises(DataDirError, match="nothing says of which group"):
        claim(tmp_path, MINE)


def test_a_mark_without_state_does_not_matter(tmp_path: Path) -> None:
    claim(tmp_path, MINE)
    claim(tmp_path, dataclasses.replace(MINE, group="other"))


def test_wiping_removes_state_and_mark_and_leaves_what_is_not_a_workers(tmp_path: Path) -> None:
    claim(tmp_path, MINE)
    with_state(tmp_path)
    (tmp_path / "violations.sqlite").write_bytes(b"index")
    wipe(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["violations.sqlite"]


def test_a_folder_is_one_workers_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(DataDirError, match="a worker uses"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="cannot be written"), held(tmp_path / "file"):
        pass

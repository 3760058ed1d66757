"""Trying rules out is bounded, also where the work is not."""

import asyncio
import threading
from typing import Any

import pytest

from app.problems import Problem
from app.trials import Trials


def statuses(results: list[Any]) -> list[Any]:
    return [each.status if isinstance(each, Problem) else each for each in results]


def test_what_takes_too_long_is_refused_and_what_waits_behind_it_is_not_begun() -> None:
    async def run() -> list[Any]:
        work = [trials.run(waits, 0.3) for _ in range(5)]
        return list(await asyncio.gather(*work, return_exceptions=True))

    release, begun = threading.Event(), []
    trials = Trials()

    def waits() -> bool:
        begun.append(1)
        return release.wait(60)

    assert statuses(asyncio.run(run())) == [422, 422, 503, 503, 503]
    release.set()
    assert asyncio.run(trials.run(lambda: 5)) == 5
    assert len(begun) == 2


def test_more_than_so_many_at_once_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.trials._WAITING", 3)
    release, trials = threading.Event(), Trials()

    async def run() -> list[Any]:
        work = [asyncio.create_task(trials.run(lambda: release.wait(60))) for _ in range(5)]
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        release.set()
        return list(await asyncio.gather(*work, return_exceptions=True))

    assert statuses(asyncio.run(run())) == [True, True, True, 503, 503]


def test_what_the_work_raises_is_raised() -> None:
    def fails() -> None:
        raise Problem(400, "no")

    with pytest.raises(Problem, match="no"):
        asyncio.run(Trials().run(fails))

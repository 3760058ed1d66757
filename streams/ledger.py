"""The activity rows of one partition: gathered counts are added to them, and they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.activity import (
    BEHIND_ROWS,
    FIRST_ROW,
    Activity,
    Row,
    Told,
    Version,
    day_of,
    is_due,
    record,
    row_key,
)
from streams.state import PartitionState
from streams.store import Done, Store


@dataclass(slots=True)
class Ledger:
    """Adds what a partition's judgements came to; each telling within a tick has a number.

    A tick that is applied again after a crash gathers the same in the same order, so a row that has a telling
    already is left as it is, and told again.
    """

    store: Store
    state: PartitionState
    number: int  # of the partition
    in_force_at: Callable[[int], list[Version]]
    tick_seconds: float
    writes: list[Done] = field(default_factory=list)
    records: list[tuple[str, bytes]] = field(default_factory=list)
    _told: tuple[int, int] = (-1, 0)  # the last telling: tick, number in it

    async def begin(self, tick: int) -> None:
        """A tick begins; after a restart all rows are told again, as the last may not have arrived.

        Nor may the changelog have those written since: RocksDB can be ahead of it.
        """
        if self._told == (-1, 0):
            for key, value in list(self.store.scan(FIRST_ROW, BEHIND_ROWS)):
                row = Row.decode(value)
                self.records.append(record(key[1:].decode(), row, self.number))
                if row.told[0] >= tick:
                    self.writes.append(await self.store.write(key, value))
        self._told = (tick, 0)

    async def tell_if_due(self, clock: int) -> None:
        """Tell what was gathered if it is time, which a repeated tick must find again: the state says it."""
        told = self.state.told
        if day_of(clock) != day_of(told.clock):
            await self._tell(clock)
            await self._drop_old(day_of(clock))
        elif is_due(clock, told, self.tick_seconds):
            await self._tell(clock)

    async def add(self, clock: int, activity: Activity) -> None:
        """Gather what was judged at `clock`; what does not go with it is told before."""
        if not self.state.activity.goes_with(activity):
            await self._tell(clock)
        self.state.activity.add(activity)

    def take(self) -> tuple[list[Done], list[tuple[str, bytes]]]:
        """The writes of this tick, and the records to publish."""
        taken = self.writes, self.records
        self.writes, self.records = [], []
        return taken

    async def _tell(self, clock: int) -> None:
        gathered, self.state.activity = self.state.activity, Activity()
        self.state.told = Told(clock)
        if not gathered.traces:
            return
        self._told = (self._told[0], self._told[1] + 1)
        versions = dict.fromkeys([*self.in_force_at(gathered.rules), *gathered.counts])
        self.state.told = Told(clock, len(versions))
        for version in versions:
            await self._add_to_row(gathered, version)

    async def _drop_old(self, day: int) -> None:
        """Delete the rows of rules that have not been in force for a day."""
        old = [
            key for key, value in self.store.scan(FIRST_ROW, BEHIND_ROWS) if Row.decode(value).day < day - 1
        ]
        for key in old:
            self.writes.append(await self.store.write(key, None))

    async def _add_to_row(self, gathered: Activity, version: Version) -> None:
        key = row_key(version.rule_id)
        value = self.store.get(key)
        row = Row.decode(value) if value else Row(gathered.day, (-1, 0))
        row.add(gathered, version, self._told)
        self.writes.append(await self.store.write(key, row.encode()))  # again, if the changelog may lack it
        self.records.append(record(version.rule_id, row, self.number))

"""Items as they are now, scored as of now: what workers, the web page and the command line share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer import metrics
from streamer.clock import StreamClock
from streamer.judge import Judge, Judged
from streamer.patience import Calling, patiently
from streamer.state.features import ensure_kin
from streamer.state.kin import KinTable
from streamer.state.reading import read_items
from streamer.state.store import Store
from streamer.state.table import ItemTable
from streamer.state.touched import Touched


class Assessor:
    """The state, what is at hand of it, and the judge. ``calling`` says what happens while Redis
    does not answer; ``shadow``, if there is one, is shown whatever was judged."""

    def __init__(
        self,
        store: Store,
        judge: Judge,
        clock: StreamClock,
        cache_bytes: int,
        calling: Calling = patiently,
    ) -> None:
        self._calling = calling
        self.store = store
        self.judge = judge
        self.clock = clock
        self.table = ItemTable(cache_bytes)
        self.shadow: Callable[[Judged, KinTable], None] | None = None
        self.kin = KinTable()

    async def score(self, items: Touched) -> Judged:
        """The items' scores as of now."""
        with metrics.PHASE_SECONDS.labels("score").time():
            await self._calling(lambda: ensure_kin(items, self.kin, self.store))
            judged = self.judge.judge(items, self.kin, self.clock.now())
            if self.shadow:
                self.shadow(judged, self.kin)
            return judged

    async def refresh(self, item_ids: Sequence[str]) -> Judged:
        """Those of the items that have a state, with their scores as of now."""
        items = await self._calling(lambda: read_items(self.store, item_ids, self.table))
        return await self.score(items)

    async def learn_time(self) -> None:
        """Takes in how far other workers have come."""
        self.clock.advance(await self._calling(self.store.clock))

    def forget_everything(self) -> None:
        """Empties what is at hand: Redis was found to have lost writes."""
        self.table.doubt_everything()
        self.kin.clear()

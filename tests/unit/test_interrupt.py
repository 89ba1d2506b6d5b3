"""A task that loses a cancellation is ended all the same."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from streamer import interrupt


async def deaf(times: int) -> None:
    """Goes on for ever after losing so many cancellations, as with wait_for before Python 3.12."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "AGAIN_SECONDS", 0.05)


@pytest.mark.parametrize("times", [0, 1, 3])
def test_tasks_end_that_lost_their_cancellation(times: int) -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(deaf(times)) for _ in range(3)]
        await asyncio.sleep(0)
        await interrupt.cancelled(*tasks)
        assert all(task.cancelled() for task in tasks)

    asyncio.run(scenario())


@pytest.mark.parametrize("times", [0, 2])
def test_a_ctrl_c_ends_what_runs(times: int) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        await deaf(times)

    with pytest.raises(KeyboardInterrupt):
        interrupt.run(main())


def test_what_is_not_interrupted_returns_or_raises_as_ever() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise ValueError("no")

    assert interrupt.run(answer()) == 42
    with pytest.raises(ValueError, match="no"):
        interrupt.run(fail())

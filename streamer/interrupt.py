"""Ends tasks, and the process, for certain.

Before Python 3.12 ``asyncio.wait_for``, which redis-py awaits with every command, loses a
cancellation that comes in the moment it ends; a task that is cancelled once may then go on for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from streamer.errors import StreamerError

T = TypeVar("T")

AGAIN_SECONDS = 1.5
"""What is still there after this long is cancelled again."""


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks until all have ended, whatever they end with."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


def leave(failure: BaseException | None) -> NoReturn:
    """Ends the process at once, with the line and the exit code of what it failed with."""
    if failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
    code = failure.exit_code if isinstance(failure, StreamerError) else int(failure is not None)
    os._exit(code)


def leave_after(seconds: float, failure: Callable[[], BaseException | None]) -> threading.Timer:
    """Has a thread end the process so many seconds from now, with what it has failed with by then,
    unless that is cancelled."""
    leaving = threading.Timer(seconds, lambda: leave(failure()))
    leaving.daemon = True
    leaving.start()
    return leaving


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` that a Ctrl-C always ends. Raises KeyboardInterrupt."""
    task = asyncio.run(_until_interrupted(main))
    if task.cancelled():
        raise KeyboardInterrupt
    return task.result()


async def _until_interrupted(main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """The task of ``main``, done; cancelled if there was a Ctrl-C before."""
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    task = asyncio.create_task(main)
    waiting = asyncio.create_task(interrupted.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await cancelled(waiting)
    await cancelled(task)
    return task

"""Runs trio under synchronous code, step by step: time stands still between the steps.

A state machine of hypothesis is synchronous, and the bot is not. So trio runs as a guest: `run`
turns its wheel until a function has ended, then stops it in the middle of whatever the bot does.
"""

import contextlib
import queue
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import outcome
import trio
from trio.testing import MockClock

T = TypeVar("T")


class Guest:
    """A trio run in virtual time, with a nursery for what goes on between the steps."""

    def __init__(self) -> None:
        self.clock = MockClock(autojump_threshold=0)
        self.nursery: trio.Nursery
        self._turns: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._end: outcome.Outcome[None] | None = None
        self._ready = False
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._turns.put,
            done_callback=self._done,
            clock=self.clock,
            strict_exception_groups=True,
        )
        self._turn_until(lambda: self._ready)

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Turn the wheel until the function has ended; return or raise what it did."""
        ends: list[outcome.Outcome[T]] = []

        async def step() -> None:
            ends.append(await outcome.acapture(function, *args))

        self._token.run_sync_soon(self.nursery.start_soon, step)
        self._turn_until(lambda: bool(ends))
        return ends[0].unwrap()

    def close(self) -> None:
        """End the run, and raise what had gone wrong in it."""
        if self._end is None:
            self._token.run_sync_soon(self.nursery.cancel_scope.cancel)
        with contextlib.suppress(trio.Cancelled):
            self._turn_until(lambda: self._end is not None)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self.nursery:
            self._ready = True
            await trio.sleep_forever()

    def _done(self, end: "outcome.Outcome[None]") -> None:
        self._end = end

    def _turn_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            if self._end is not None:
                self._end.unwrap()
                raise RuntimeError("the run has ended")
            self._turns.get(timeout=30)()
        if self._end is not None:
            self._end.unwrap()

"""One look-up at a time for a key, however many wait for its answer.

Theory. The first who comes leads the flight, in their own task and under their own deadline; the
others wait for it to land. It lands with a value or an error, which all of them get, or it is given
up because its leader was cancelled: then whoever of them comes first leads the next one. What is
learnt elsewhere overtakes a flight: its answer may be older than that, and is not used.
"""

from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Generic, TypeVar

import trio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class Flight(Generic[V]):
    """A look-up under way."""

    value: V

    def __init__(self) -> None:
        self.landed = trio.Event()
        self.given_up = True  # unless it brings a value
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None
        self._overtaken = False
        self._scope = trio.CancelScope()

    async def attempt(self, load: Callable[[], Awaitable[T]]) -> T | None:
        """Return what `load` returned, or None if it was overtaken; then it is broken off."""
        self._overtaken = False
        with trio.CancelScope() as self._scope:
            try:
                answer = await load()
            except Exception:
                if not self._overtaken:
                    raise
            else:
                if not self._overtaken:
                    return answer
        return None

    def overtake(self) -> None:
        """Make the attempt under way, if there is one, return None."""
        self._overtaken = True
        self._scope.cancel()


class Flights(Generic[K, V]):
    """The flights under way, at most one a key."""

    def __init__(self) -> None:
        self._flights: dict[K, Flight[V]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def overtake(self, key: K) -> None:
        """Tell the flight for this key, if there is one, that something newer is known."""
        flight = self._flights.get(key)
        if flight is not None:
            flight.overtake()

    def overtake_all(self, matches: Callable[[K], bool]) -> None:
        """Tell the flights for all keys that match the same."""
        for key, flight in self._flights.items():
            if matches(key):
                flight.overtake()

    async def run(self, key: K, look_up: Callable[[Flight[V]], Awaitable[V]]) -> Flight[V]:
        """Return the flight for this key when it is over, led by the caller if there is none.

        It has a value, or its leader was cancelled and it was given up: look again at what is
        known, then come back. The leader's error is raised for all who waited.
        """
        flight = self._flights.get(key)
        if flight is None:
            return await self._lead(key, look_up)
        await flight.landed.wait()
        if flight.error is not None:
            # Each raise begins with the leader's traceback, else it would grow by one each time.
            raise flight.error.with_traceback(flight.traceback)
        return flight

    async def _lead(self, key: K, look_up: Callable[[Flight[V]], Awaitable[V]]) -> Flight[V]:
        flight: Flight[V] = Flight()
        self._flights[key] = flight
        try:
            flight.value = await look_up(flight)
            flight.given_up = False
        except Exception as error:
            flight.error, flight.traceback = error, error.__traceback__
            raise
        finally:
            del self._flights[key]
            flight.landed.set()
        return flight

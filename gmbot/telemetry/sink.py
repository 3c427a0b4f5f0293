"""Where log lines end: a stream that may be slow, stuck or closed, and must not hold the bot up."""

import os
import select
import threading
from typing import TextIO

# Seconds that one line may wait for a reader. A reader that let one wait so long is stuck: until
# it reads again, lines do not wait at all.
PATIENCE = 0.05

# Bytes that a pipe takes without waiting once it is ready. Source: poll(2) and pipe(7).
_AT_ONCE = select.PIPE_BUF


class Sink:
    """Writes whole lines in order, or loses them. Any thread may write."""

    def __init__(self, stream: TextIO | None, *, patience: float = PATIENCE) -> None:
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._full_patience = self._patience = patience
        self._torn = False
        self._lock = threading.RLock()  # a line may be logged while one is being written

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def write(self, line: str) -> bool:
        """Write a line; its end is added. Returns whether all of it went out."""
        with self._lock:
            try:
                return self._put(line)
            except (OSError, ValueError):  # closed, by us or by the reader
                return False

    def _put(self, line: str) -> bool:
        if self._stream is None:
            return False
        if self._descriptor is None:
            self._stream.write(line + "\n")
            self._stream.flush()
            return True
        start = "\n" if self._torn else ""
        rest = f"{start}{line}\n".encode("utf-8", "replace")
        whole = len(rest)
        while rest:
            if not self._wait_writable(self._descriptor):
                self._torn = self._torn or len(rest) < whole
                return False
            rest = rest[os.write(self._descriptor, rest[:_AT_ONCE]) :]
        self._torn = False
        return True

    def _wait_writable(self, descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        ready = bool(poll.poll(self._patience * 1000))
        self._patience = self._full_patience if ready else 0.0
        return ready


def _descriptor(stream: TextIO | None) -> int | None:
    """Return what the system writes to; None for a stream within the process."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None

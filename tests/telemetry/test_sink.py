import io
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import TextIO

import pytest

from gmbot.telemetry.sink import Sink


class Pipe:
    """A process that reads our lines, or does not."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.stream: TextIO = os.fdopen(writer, "w", encoding="utf-8")

    def read(self) -> bytes:
        return os.read(self.reader, 1_000_000)

    def close(self) -> None:
        for end in (self.stream.close, lambda: os.close(self.reader)):
            with suppress(OSError):
                end()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_a_line_goes_out_with_its_end(pipe: Pipe) -> None:
    assert Sink(pipe.stream).write("a é 😀")

    assert pipe.read() == "a é 😀\n".encode()


def test_a_stream_within_the_process_takes_lines_too() -> None:
    stream = io.StringIO()

    assert Sink(stream).write("a")
    assert stream.getvalue() == "a\n"


def test_a_reader_that_is_stuck_costs_one_short_wait_and_lines_not_time(pipe: Pipe) -> None:
    sink = Sink(pipe.stream, patience=0.05)
    started = monotonic()
    written = sum(sink.write("x" * 1000) for _ in range(2000))
    took = monotonic() - started

    assert 0 < written < 2000
    assert took < 1.0  # 0.05 for each would be a minute and more


def test_when_the_reader_is_back_lines_are_whole_again(pipe: Pipe) -> None:
    sink = Sink(pipe.stream, patience=0.01)
    torn = not sink.write("x" * 1_000_000)  # a pipe holds 64 KiB
    received = pipe.read()

    assert torn
    assert sink.write("whole")
    assert (received + pipe.read()).splitlines()[-1] == b"whole"


def test_a_line_longer_than_a_pipe_arrives_whole_where_it_is_read(pipe: Pipe) -> None:
    received: list[bytes] = []

    def read() -> None:
        while not (received and received[-1].endswith(b"\n")):
            received.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    sink = Sink(pipe.stream, patience=5)
    written = sink.write("x" * 300_000)
    reader.join(5)

    assert written
    assert b"".join(received) == b"x" * 300_000 + b"\n"


def test_a_reader_that_is_gone_loses_lines_and_raises_nothing(pipe: Pipe) -> None:
    os.close(pipe.reader)
    sink = Sink(pipe.stream)

    assert not sink.write("a")
    assert not sink.write("b")


def test_a_closed_stream_raises_nothing(pipe: Pipe) -> None:
    buffer = io.StringIO()
    sinks = [Sink(buffer), Sink(pipe.stream), Sink(None)]
    buffer.close()
    pipe.stream.close()

    assert [sink.write("a") for sink in [*sinks, Sink(buffer)]] == [False] * 4


def test_a_terminal_is_told_from_a_pipe(pipe: Pipe) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert Sink(terminal).is_terminal
    os.close(ours)

    assert not Sink(pipe.stream).is_terminal
    assert not Sink(io.StringIO()).is_terminal


def test_lines_of_many_threads_do_not_mix(pipe: Pipe) -> None:
    sink = Sink(pipe.stream, patience=5)
    lines = [letter * 100_000 for letter in "abcd"]  # longer than the pipe: each has to wait
    threads = [threading.Thread(target=sink.write, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    received = b""
    while received.count(b"\n") < len(lines):
        received += pipe.read()
    for thread in threads:
        thread.join(5)

    assert sorted(received.decode().split()) == lines

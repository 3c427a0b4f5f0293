"""Whatever people do, Telegram may take its time over it: stored after 2 s, done all the same.

The bot is killed while it waits: another run finds each of these again and finishes it.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from gmbot.sandbox.faults import Fault
from tests.guard.town import Town, settle

SLOW = 15.0  # seconds, less than the bot waits for one answer
PROTECTED = "This group is protected: who writes here has to be in News 0."


class Deed(msgspec.Struct, frozen=True):
    """What somebody does, the call that takes its time, and how it is to end."""

    flow: str
    method: str
    do: Callable[[Town], object]
    is_done: Callable[[Town], bool]
    prepare: Callable[[Town], object] = lambda _town: None


def _goes(town: Town) -> None:
    town.group.username = "garden"
    town.tim.leave(town.group)


def _comes(town: Town) -> None:
    town.tim.join(town.group)


def _is_held(town: Town) -> bool:
    return town.is_muted(town.tim) and "Tim" in town.notice.text


def _hold_sue(town: Town) -> None:
    town.sue.write(town.group, "Buy!")


def _says(words: str) -> Callable[[Town], bool]:
    return lambda town: [words in text for text in town.said()] == [True]


DEEDS = [
    Deed("message", "getChatMember", _hold_sue, lambda town: town.is_muted(town.sue)),
    Deed("join", "getChatMember", _comes, _is_held, _goes),
    Deed("join", "restrictChatMember", _comes, _is_held, _goes),
    Deed(
        "leave",
        "getChatMember",
        lambda town: town.max.leave(town.channel),
        lambda town: town.is_muted(town.max) and "Max" in town.notice.text,
    ),
    Deed(
        "enter",
        "getChatMember",
        lambda town: town.sue.join(town.channel),
        lambda town: not town.is_muted(town.sue) and not town.notices(),
        prepare=_hold_sue,
    ),
    Deed(
        "decision",
        "getChatMember",
        lambda town: town.anna.lift(town.group, town.sue),
        lambda town: not town.is_muted(town.sue) and bool(town.storage.rows("pardons")),
        prepare=_hold_sue,
    ),
    Deed(
        "verify",
        "getChatMember",
        lambda town: town.sue.press(town.notice, "I have joined"),
        lambda town: town.is_muted(town.sue) and "Sue" in town.notice.text,
        prepare=_hold_sue,
    ),
    Deed(
        "protect",
        "getChat",
        lambda town: town.anna.command(town.group, "/protect @news_0"),
        _says(PROTECTED),
    ),
    Deed(
        "unprotect",
        "getChatMember",
        lambda town: town.anna.command(town.group, "/unprotect"),
        _says("No longer required here: News 0."),
    ),
    Deed(
        "status",
        "getChatMember",
        lambda town: town.anna.command(town.group, "/status"),
        _says("This group is protected."),
    ),
    Deed(
        "recheck",
        "getChatMember",
        lambda town: town.anna.command(town.group, "/recheck"),
        _says("Checked 2 people: 0 released, 0 muted, 2 as they were."),
        prepare=_hold_sue,
    ),
    Deed(
        "rights",
        "getChatMember",
        lambda town: town.anna.promote(town.group, town.telegram.bot, can_delete_messages=True),
        _says("“Ban users”"),
    ),
    Deed(
        "sight",
        "getChatMember",
        lambda town: town.anna.demote(town.channel, town.telegram.bot),
        _says("nobody here needs to be in it"),
    ),
]


@pytest.mark.parametrize("end", ["goes on", "killed"])
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: f"{deed.flow}-{deed.method}")
async def test_what_takes_longer_than_2_seconds_is_stored_and_done_in_this_run_or_the_next(
    autojump_clock: MockClock, town: Town, logs: Any, deed: Deed, end: str
) -> None:
    deed.prepare(town)
    await trio.sleep(15)  # what was known is forgotten where it matters, presses are due again
    logs.clear()
    town.telegram.faults.add(Fault.slow(SLOW), method=deed.method, times=1)
    deed.do(town)
    await trio.sleep(1.9)
    assert town.storage.rows("pending_updates") == []

    await trio.sleep(0.3)
    assert {e["flow"] for e in logs if e["event"] == "flow_stored"} == {deed.flow}
    assert town.storage.rows("pending_updates") != []
    await settle()
    assert town.telegram.outlet().queue.pending_count == 0  # acknowledged
    if end == "killed":
        await town.restart()
    await trio.sleep(90)
    assert deed.is_done(town)
    assert town.storage.rows("pending_updates") == []
    assert town.storage.rows("jobs") == []

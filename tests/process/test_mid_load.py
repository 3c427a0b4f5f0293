"""The machine dies in the middle of the work, again and again."""

import sqlite3
from functools import partial
from pathlib import Path

import trio

from gmbot.sandbox.faults import Fault
from tests.process.support import DEADLINE, Town, wait_until

STRANGERS = 60


def _muted(town: Town) -> int:
    return town.telegram.log.counts["restrictChatMember"]


def _has_muted(town: Town, bound: int) -> bool:
    return _muted(town) > bound


async def test_kill_9_in_the_middle_of_the_load_loses_nobody(town: Town, tmp_path: Path) -> None:
    """Messages, joins, a leave and releases under way, and three kills: all is as it should be."""
    world, group, channel = town.telegram.world, town.group, town.channel
    group.username = "town_square"
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
    town.telegram.faults.add(Fault.slow(0.1), method="restrictChatMember")
    town.telegram.faults.add(Fault.slow(0.05), method="getChatMember")
    writers = [world.person(f"W{number}") for number in range(STRANGERS)]
    joiners = [world.person(f"J{number}") for number in range(STRANGERS)]
    for person in writers:
        town.owner.add(group, person)
    messages = [person.write(group, "hello") for person in writers]
    for person in joiners:
        person.join(group)
    town.member.leave(channel)
    everybody = [*writers, *joiners, town.member]

    for deaths in range(1, 4):
        muted = _muted(town)
        async with town.run() as bot:
            await wait_until(partial(_has_muted, town, muted + 10))
            if deaths == 2:  # some do as they were told, while nobody listens
                bot.process.kill()
                await bot.process.wait()
                for person in writers[: STRANGERS // 2]:
                    person.join(channel)
            else:
                bot.process.kill()
                await bot.process.wait()
    town.telegram.faults.clear()

    released = set(writers[: STRANGERS // 2])
    async with town.run() as bot:
        await wait_until(
            lambda: (
                all(m.deleted for m in messages[STRANGERS // 2 :])
                and all(world.can_write(p, group) == (p in released) for p in everybody)
            )
        )
        await wait_until(lambda: town.notice() is not None and town.is_confirmed())
        notices = [m for m in group.visible() if m.markup]
        # One that was cut off while it was sent may stand beside it, until somebody presses it.
        assert 1 <= len(notices) <= 4
        with trio.fail_after(DEADLINE):
            assert await bot.stop() == 0

    rows = sqlite3.connect(tmp_path / "gmbot.db").execute(
        "SELECT user_id, state FROM restrictions ORDER BY user_id"
    )
    held = {person.id for person in everybody if person not in released}
    assert dict(rows.fetchall()) == dict.fromkeys(held, "held")

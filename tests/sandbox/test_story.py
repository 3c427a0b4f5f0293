"""The judgement at the end of a story; `gmbot sandbox` itself is tried as a process."""

from pathlib import Path

import trio

from gmbot.sandbox.calls import Violation
from gmbot.sandbox.process import environment, run_bot
from gmbot.sandbox.story import Story
from gmbot.sandbox.telegram import Telegram


async def test_a_story_ends_badly_where_something_went_wrong_that_no_chat_shows(
    telegram: Telegram, tmp_path: Path
) -> None:
    said: list[str] = []
    hasty = environment(telegram, tmp_path, RATE_MESSAGES="0", RATE_GROUP_MESSAGES="0")
    telegram.violations.append(Violation("bot", "getMe", "unknown parameter x"))
    telegram.flood.freeze(telegram.bot.id, 30, telegram.now(), chat_id=-1)
    telegram.flood.check(telegram.bot.id, "sendMessage", -1, telegram.now() + 5)
    telegram.outlet().poll.offset_repeats = 2

    with trio.fail_after(60):
        async with run_bot(telegram, tmp_path, hasty) as bot:
            went_well = await Story(telegram, bot, said.append).tell()

    assert not went_well
    assert [line.strip() for line in said if "✗" in line] == [
        "✗ getMe: unknown parameter x",
        "✗ sendMessage: called 25.0 s before it might",
        "✗ getUpdates: asked again for what it had, 2 times",
    ]
    telegram.violations.clear()
    telegram.flood.violations.clear()

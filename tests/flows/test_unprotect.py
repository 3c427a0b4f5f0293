"""/unprotect: what is required no more, and who is let go."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.unprotect import pick
from gmbot.storage.records import Channel
from tests.guard.town import Town, settle

pytestmark = pytest.mark.parametrize("town_options", [{"channels": 3}], ids=[""])


async def settle_jobs() -> None:
    """Wait until a job was found and done."""
    await trio.sleep(20)
    await settle()


def required(town: Town) -> list[str]:
    policy = town.bot.guard.policies.get(town.group.id)
    return [] if policy is None else [c.title for c in policy.channels]


async def test_one_channel_is_unlinked(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/unprotect @news_1")
    await settle()

    assert required(town) == ["News 0", "News 2"]
    assert town.said() == [
        (
            "No longer required here: News 1. Still required: News 0 and News 2. "
            "Whom I muted and who lacks nothing any more is being released."
        )
    ]


async def test_several_are_unlinked_in_any_mix(autojump_clock: MockClock, town: Town) -> None:
    first, second = town.channels[0], town.channels[1]
    town.anna.command(town.group, f"/unprotect T.ME/NEWS_0,{second.id} {first.id}")
    await settle()

    assert required(town) == ["News 2"]
    assert town.said()[0].startswith("No longer required here: News 0 and News 1. Still")


async def test_without_names_all_are_unlinked_and_what_was_set_stays(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.storage.set_params(town.group.id, {"warnings": 2})
    town.mia.command(town.group, "/unprotect")
    await settle()

    assert required(town) == []
    assert town.said()[0].endswith(
        "News 0, News 1 and News 2. Everybody can write here, and whom I muted is being released."
    )
    known = await town.bot.guard.policies.known(town.group.id)
    assert known is not None
    assert known.group.params == {"warnings": 2}


async def test_the_reply_to_a_forwarded_message_names_its_channel(
    autojump_clock: MockClock, town: Town
) -> None:
    post = town.anna.forward(town.anna.post(town.channels[2], "Look"), town.group)
    town.anna.write(town.group, "/unprotect", reply_to=post)
    await settle()

    assert required(town) == ["News 0", "News 1"]


async def test_whoever_lacks_nothing_any_more_is_released(
    autojump_clock: MockClock, town: Town
) -> None:
    for channel in town.channels[:2]:
        town.tim.join(channel)
    for person in (town.sue, town.tim):
        person.write(town.group, "Buy!")
    await settle()
    assert town.is_muted(town.sue)
    assert town.is_muted(town.tim)

    town.anna.command(town.group, "/unprotect @news_2")
    await settle_jobs()
    assert not town.is_muted(town.tim)
    assert town.is_muted(town.sue)

    town.anna.command(town.group, "/unprotect")
    await settle_jobs()
    assert not town.is_muted(town.sue)
    assert town.storage.rows("restrictions") == []


async def test_a_channel_that_is_gone_is_unlinked_without_a_call(
    autojump_clock: MockClock, town: Town
) -> None:
    town.world.chats.pop(town.channels[0].id)
    town.anna.demote(town.channels[1], town.telegram.bot)
    await settle()
    before = town.count("getChat")
    town.anna.command(town.group, "/unprotect @news_0 @news_1")
    await settle()

    assert required(town) == ["News 2"]
    assert town.count("getChat") == before


async def test_a_channel_that_is_not_required_is_told(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.command(town.group, "/unprotect @other -1009999999999")
    await settle()
    assert town.said() == [
        "Not required here: @other, -1009999999999. /protect tells what is required."
    ]

    town.anna.command(town.group, "/unprotect @other @news_0")
    await settle()
    assert required(town) == ["News 1", "News 2"]
    assert "Was not required: @other." in town.said()[1]
    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["not_required"]


async def test_where_nothing_is_required_that_is_told(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(other, "/unprotect")
    for _ in range(2):
        town.anna.command(town.group, "/unprotect")
        await settle()

    nobody = "Nobody has to be in a channel to write here. To require one: /protect @channel"
    assert other.visible()[-1].text == nobody
    assert town.said()[-1] == nobody


async def test_a_run_that_was_cut_off_before_the_release_is_made_good(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await town.bot.guard.policies.unprotect(town.group.id, [c.id for c in town.channels])
    town.anna.command(town.group, "/unprotect")
    await settle_jobs()

    assert not town.is_muted(town.sue)


async def test_a_disabled_group_can_be_unlinked_too(autojump_clock: MockClock, town: Town) -> None:
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    town.anna.command(town.group, "/unprotect @news_0")
    await settle()

    known = await town.bot.guard.policies.known(town.group.id)
    assert known is not None
    assert [c.title for c in known.channels] == ["News 1", "News 2"]
    assert not known.group.enabled


async def test_only_admins_who_may_restrict_are_heard(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    town.max.command(town.group, "/unprotect")
    town.mia.command(town.group, "/unprotect @news_0")
    town.anna.command(town.telegram.bot, "/unprotect @news_0")
    await settle()

    refused = [e["reason"] for e in logs if e["event"] == "command_refused"]
    assert sorted(refused) == ["no_admin", "no_group", "no_right"]
    assert len(required(town)) == 3


async def test_junk_is_refused(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/unprotect @news_0 <junk>")
    await settle()

    assert town.said()[0].startswith("“<junk>” names no channel.")
    assert len(required(town)) == 3


def test_a_name_means_the_channel_that_has_it_now(town_options: dict[str, Any]) -> None:
    channels = [Channel(-1, "A", "same_name", None), Channel(-2, "B", None, None)]

    assert pick(channels, ["@SAME_name", -1, "@gone"]) == ([channels[0]], ["@gone"])
    assert pick(channels, []) == (channels, [])

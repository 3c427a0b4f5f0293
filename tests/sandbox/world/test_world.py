"""Who and what exists, and which bots hear of it."""

import random
from typing import TYPE_CHECKING

import pytest

from gmbot.sandbox import errors
from gmbot.sandbox.errors import NotAllowed
from gmbot.sandbox.journal import Journal
from gmbot.sandbox.world import World

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town


def test_ids_are_as_today_s_servers_give_them(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann)

    assert town.bob.id > 2**32
    assert town.bot.id > 2**32
    assert str(town.group.id).startswith("-100")
    assert str(town.channel.id).startswith("-100")
    assert -(10**12) < basic.id < 0
    assert town.bot.token.startswith(f"{town.bot.id}:")
    assert len(town.bot.token.partition(":")[2]) == 35
    assert town.world.person("Big", account_id=2**51).id == 2**51


@pytest.mark.parametrize("username", ["abc", "1news", "news", "NEWS", "a" * 33, "with-dash"])
def test_a_username_is_well_formed_and_has_one_owner(town: "Town", username: str) -> None:
    with pytest.raises(ValueError, match="username"):
        town.world.person("Somebody", username=username)


def test_two_accounts_cannot_have_one_id(town: "Town") -> None:
    with pytest.raises(ValueError, match="already"):
        town.world.person("Twin", account_id=town.ann.id)


def test_a_chat_is_found_by_its_username_in_any_case(town: "Town") -> None:
    assert town.world.find("@NEWS", bot=town.bot) is town.channel
    assert town.world.find("@ann_owner", bot=town.bot) is None
    assert town.world.find(12345, bot=town.bot) is None
    assert town.world.account_of("@Ann_Owner") is town.ann
    assert town.world.account_of("@news") is None


def test_a_link_is_found_by_its_address(town: "Town") -> None:
    link = town.ann.link(town.group)

    assert town.world.link(link.url) == (town.group, link)
    assert town.world.link("https://t.me/+nothing") is None


def test_the_same_seed_makes_the_same_world() -> None:
    tokens = {
        World(clock=lambda: 0.0, on_update=lambda *_: None, random=random.Random(1))
        .bot("Guard", "guard_bot")
        .token
        for _ in range(3)
    }

    assert len(tokens) == 1


def test_message_ids_grow_from_the_message_of_creation(town: "Town") -> None:
    first = town.bob.write(town.group, "one")
    second = town.ann.write(town.group, "two")

    assert (first.id, second.id) == (2, 3)
    assert town.group.messages[1].is_service


def test_an_admin_hears_all_talk_and_another_bot_only_what_is_for_it(town: "Town") -> None:
    town.ann.add(town.group, town.other)
    town.updates.clear()
    mine = town.call("sendMessage", by=town.other, chat_id=town.group, text="hello")
    hello = town.group.messages[mine["message_id"]]

    town.bob.write(town.group, "talk")
    town.bob.command(town.group, "/help")
    town.bob.command(town.group, "/help@Other_Bot me")
    town.bob.command(town.group, "/help@guard_bot")
    town.bob.write(town.group, "an answer", reply_to=hello)

    texts = [payload["text"] for owner, _, payload in town.updates if owner == town.other.id]
    assert texts == ["/help", "/help@Other_Bot me", "an answer"]
    assert len(town.heard("message")) == 5


def test_a_bot_without_privacy_hears_all_talk(town: "Town") -> None:
    open_bot = town.world.bot("Open", "open_bot", privacy=False)
    town.ann.add(town.group, open_bot)

    town.bob.write(town.group, "talk")

    assert town.heard("message", open_bot)[-1]["text"] == "talk"


def test_bots_hear_neither_themselves_nor_each_other(town: "Town") -> None:
    town.ann.promote(town.group, town.other)
    town.updates.clear()

    town.call("sendMessage", chat_id=town.group, text="hi")

    assert town.updates == []


def test_a_bot_that_was_removed_hears_of_its_removal_and_nothing_more(town: "Town") -> None:
    town.ann.ban(town.group, town.bot)
    town.bob.write(town.group, "talk")

    assert town.kinds() == ["my_chat_member"]
    (update,) = town.heard("my_chat_member")
    assert update["new_chat_member"]["status"] == "kicked"
    assert update["from"]["id"] == town.ann.id


def test_a_post_reaches_the_bots_of_the_channel_without_a_person_behind_it(town: "Town") -> None:
    town.ann.post(town.channel, "news")

    (post,) = town.heard("channel_post")
    assert "from" not in post
    assert post["sender_chat"]["id"] == town.channel.id


def test_a_post_is_passed_on_to_the_discussion_group_by_telegram(town: "Town") -> None:
    town.channel.linked, town.group.linked = town.group, town.channel

    post = town.ann.post(town.channel, "news")

    (forward,) = town.heard("message")
    assert forward["is_automatic_forward"] is True
    assert forward["from"]["id"] == 777000
    assert forward["sender_chat"]["id"] == town.channel.id
    assert forward["forward_origin"]["type"] == "channel"
    assert forward["forward_origin"]["message_id"] == post.id
    assert town.call("getChat", chat_id=town.group)["linked_chat_id"] == town.channel.id


def test_an_edited_post_changes_its_automatic_forward_as_long_as_that_is_there(
    town: "Town",
) -> None:
    discussion = town.world.supergroup("Talk", creator=town.ann, admins=[town.bot])
    channel = town.world.channel("Blog", creator=town.ann, discussion=discussion)
    post = town.ann.post(channel, "old")

    town.ann.edit(post, "new")

    (edited,) = town.heard("edited_message")
    assert edited["text"] == "new"
    assert edited["is_automatic_forward"] is True
    assert post.passed_on is not None
    town.ann.delete(post.passed_on)
    town.ann.edit(post, "newer")
    assert town.updates == []


def test_a_bot_hears_the_automatic_forward_of_its_own_post(town: "Town") -> None:
    town.channel.linked, town.group.linked = town.group, town.channel

    town.call("sendMessage", chat_id="@news", text="by the bot")

    assert town.kinds() == ["message"]


def test_joining_shows_as_update_and_as_service_message(town: "Town") -> None:
    town.ann.add(town.group, town.zed)

    assert town.kinds() == ["chat_member", "message"]
    (service,) = town.heard("message")
    assert service["new_chat_members"] == [town.zed.payload()]
    assert service["from"]["id"] == town.ann.id


def test_joining_and_leaving_are_silent_in_a_chat_that_hides_them(town: "Town") -> None:
    town.group.join_messages = False

    town.ann.add(town.group, town.zed)
    town.zed.leave(town.group)

    assert town.kinds() == ["chat_member", "chat_member"]


def test_only_admins_hear_of_other_members(town: "Town") -> None:
    town.group.join_messages = False
    town.ann.add(town.group, town.other)
    town.updates.clear()

    town.bob.leave(town.group)

    assert town.kinds() == ["chat_member"]
    assert town.kinds(town.other) == []


def test_a_bot_hears_its_own_restriction_of_somebody(town: "Town") -> None:
    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions={})

    (update,) = town.heard("chat_member")
    assert update["from"]["id"] == town.bot.id
    assert update["old_chat_member"]["status"] == "member"
    assert update["new_chat_member"]["status"] == "restricted"


def test_the_same_restriction_again_is_no_news(town: "Town") -> None:
    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions={})
    town.updates.clear()

    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions={})

    assert town.updates == []


def test_a_restriction_ends_without_an_update(town: "Town") -> None:
    until = int(town.now) + 60
    town.call(
        "restrictChatMember",
        chat_id=town.group,
        user_id=town.bob.id,
        permissions={},
        until_date=until,
    )
    town.updates.clear()
    assert not town.world.can_write(town.bob, town.group)

    town.now += 60

    assert town.world.can_write(town.bob, town.group)
    assert town.call("getChatMember", chat_id=town.group, user_id=town.bob.id)["status"] == "member"
    assert town.updates == []


def test_an_upgraded_group_tells_of_it_on_both_sides_and_its_old_id_names_the_new(
    town: "Town",
) -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob, town.bot])
    basic.join_messages = False

    chat = town.ann.migrate(basic)

    (came,) = [payload for _, kind, payload in town.updates if kind == "my_chat_member"]
    assert came["chat"]["id"] == chat.id
    assert came["old_chat_member"]["status"] == "left"
    assert came["new_chat_member"]["status"] == "member"
    old, new = town.heard("message")
    assert new["sender_chat"]["id"] == chat.id
    assert old["migrate_to_chat_id"] == chat.id
    assert new["migrate_from_chat_id"] == basic.id
    assert new["message_id"] == 1
    assert not chat.join_messages
    assert chat.standing(town.bob.id, town.now).status == "member"
    assert town.call("getChat", chat_id=chat)["type"] == "supergroup"
    assert town.refused("leaveChat", chat_id=basic) == errors.GROUP_UPGRADED
    assert town.call("getChat", chat_id=basic)["type"] == "group"
    with pytest.raises(errors.TelegramError) as caught:
        town.call("sendMessage", chat_id=basic, text="hi")
    assert caught.value.parameters == {"migrate_to_chat_id": chat.id}
    with pytest.raises(NotAllowed):
        town.bob.write(basic, "anybody here?")
    assert not town.world.can_write(town.bob, basic)


def test_the_journal_tells_who_did_what_when(town: "Town") -> None:
    message = town.bob.write(town.group, "hi\nthere")
    town.now += 5
    town.call("deleteMessage", chat_id=town.group, message_id=message.id)
    town.ann.photo(town.group)

    assert town.world.journal.transcript().splitlines() == [
        "08:00:00  Group | Bob Builder wrote #2: hi",
        "          there",
        "08:00:05  Group | [Guard] deleted Bob Builder #2",
        "08:00:05  Group | Ann wrote #3: (photo)",
    ]
    assert town.world.journal.total == 3
    assert [entry.deed for entry in town.world.journal] == ["wrote", "deleted", "wrote"]
    (deleted,) = town.world.journal.of("deleted", whom_id=town.bob.id)
    assert deleted.at == town.now
    assert town.world.journal.of("deleted", chat_id=town.channel.id) == []
    assert town.group.deleted_ids() == [2]
    assert town.group.texts() == [""]


def test_the_journal_keeps_the_last_deeds_and_counts_all(town: "Town") -> None:
    town.world.journal = Journal(keep=2)
    for text in ("one", "two", "three"):
        town.bob.write(town.group, text)

    journal = town.world.journal

    assert journal.total == 3
    assert [entry.text for entry in journal] == ["two", "three"]
    assert [entry.text for entry in journal.since(2)] == ["three"]
    assert [entry.text for entry in journal.since(0)] == ["two", "three"]


def test_a_deed_without_a_chat_has_a_dash_for_it(town: "Town") -> None:
    town.bob.block(town.bot)

    assert "- | Bob Builder blocked Guard" in town.world.journal.transcript()


def test_buttons_are_shown_in_the_journal(town: "Town") -> None:
    keyboard = {"inline_keyboard": [[{"text": "OK", "callback_data": "x"}]]}

    town.call("sendMessage", chat_id=town.group, text="Sure?", reply_markup=keyboard)

    assert town.world.journal.entries[-1].text == "Sure?\n[ OK ]"


def test_an_error_takes_its_code_from_its_words() -> None:
    flood = errors.too_many_requests(7)

    assert (flood.code, flood.parameters) == (429, {"retry_after": 7})
    assert errors.refusal(errors.BLOCKED).code == 403
    assert str(errors.migrated(-100)) == errors.GROUP_UPGRADED

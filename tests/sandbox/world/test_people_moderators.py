"""What people do who run a chat, and what they have no right to."""

from typing import TYPE_CHECKING

import pytest

from gmbot.sandbox.errors import NotAllowed

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town


def test_a_bot_comes_into_a_channel_as_administrator_and_goes_when_demoted(town: "Town") -> None:
    town.ann.add(town.channel, town.other)
    assert town.channel.standing(town.other.id, town.now).is_admin

    town.ann.demote(town.channel, town.other)

    assert town.channel.standing(town.other.id, town.now).status == "left"
    assert len(town.heard("my_chat_member", town.other)) == 2


def test_members_add_others_where_everybody_may_invite(town: "Town") -> None:
    town.bob.add(town.group, town.zed)
    with pytest.raises(NotAllowed, match="already"):
        town.bob.add(town.group, town.zed)
    town.ann.ban(town.group, town.zed)
    with pytest.raises(NotAllowed, match="can_restrict_members"):
        town.bob.add(town.group, town.zed)
    town.ann.set_permissions(town.group, can_send_messages=True)
    with pytest.raises(NotAllowed, match="invite"):
        town.bob.add(town.group, town.other)

    town.ann.add(town.group, town.zed)

    assert town.group.standing(town.zed.id, town.now).status == "member"


def test_subscribers_add_nobody_to_a_channel(town: "Town") -> None:
    town.bob.join(town.channel)
    with pytest.raises(NotAllowed, match="invite"):
        town.bob.add(town.channel, town.zed)

    town.ann.add(town.channel, town.zed)

    assert town.channel.standing(town.zed.id, town.now).status == "member"


def test_a_promoted_person_has_the_rights_named_or_most_of_them(town: "Town") -> None:
    town.ann.promote(town.group, town.bob, can_delete_messages=True, can_pin_messages=False)
    standing = town.group.standing(town.bob.id, town.now)
    assert standing.rights == {"can_delete_messages", "can_manage_chat"}

    town.ann.promote(town.group, town.bob)

    standing = town.group.standing(town.bob.id, town.now)
    assert "can_restrict_members" in standing.rights
    assert "can_promote_members" not in standing.rights
    with pytest.raises(ValueError, match="can_post_messages"):
        town.ann.promote(town.group, town.bob, can_post_messages=True)
    with pytest.raises(NotAllowed):
        town.bob.promote(town.group, town.zed)


def test_a_demoted_person_is_a_member_again(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)

    town.ann.demote(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "member"
    with pytest.raises(NotAllowed, match="no administrator"):
        town.ann.demote(town.group, town.bob)


def test_admins_act_neither_on_the_owner_nor_on_each_other_nor_on_themselves(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)
    for whom in (town.ann, town.bot, town.bob):
        with pytest.raises(NotAllowed):
            town.bob.restrict(town.group, whom)
        with pytest.raises(NotAllowed):
            town.bob.ban(town.group, whom)


def test_the_owner_acts_on_every_admin(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)

    town.ann.restrict(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "restricted"


def test_only_administrators_hide(town: "Town") -> None:
    with pytest.raises(NotAllowed):
        town.bob.be_anonymous(town.group)
    town.ann.be_anonymous(town.group)
    town.ann.be_anonymous(town.group, hidden=False)

    assert town.group.standing(town.ann.id, town.now).is_anonymous is False


def test_a_restriction_can_leave_some_permissions_and_be_lifted(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob, can_send_messages=True, until_date=int(town.now) + 60)
    standing = town.group.standing(town.bob.id, town.now)
    assert standing.permissions == {"can_send_messages", "can_react_to_messages"}
    assert standing.until == int(town.now) + 60

    town.ann.lift(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "member"
    deeds = [entry.deed for entry in town.world.journal]
    assert deeds == ["restricted", "lifted the restriction of"]


def test_only_supergroups_know_restrictions(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob])

    with pytest.raises(NotAllowed):
        town.ann.restrict(basic, town.bob)


def test_a_ban_takes_the_messages_along_and_lasts_until_it_is_ended(town: "Town") -> None:
    said = town.bob.write(town.group, "spam")
    link = town.ann.link(town.group)
    town.updates.clear()

    town.ann.ban(town.group, town.bob)

    assert said.deleted
    assert town.kinds() == ["chat_member", "message"]
    assert town.heard("message")[0]["left_chat_member"]["id"] == town.bob.id
    with pytest.raises(NotAllowed):
        town.bob.join(town.group, via=link)
    town.ann.unban(town.group, town.bob)
    town.bob.join(town.group, via=link)
    town.ann.unban(town.group, town.bob)
    assert town.group.standing(town.bob.id, town.now).status == "member"


def test_banned_again_with_the_same_end_is_no_news(town: "Town") -> None:
    town.ann.ban(town.group, town.bob)
    town.updates.clear()

    town.ann.ban(town.group, town.bob)

    assert town.updates == []


def test_people_delete_what_is_theirs_and_admins_what_they_may(town: "Town") -> None:
    mine, hers = town.bob.write(town.group, "mine"), town.ann.write(town.group, "hers")

    town.bob.delete(mine)
    with pytest.raises(NotAllowed, match="can_delete_messages"):
        town.bob.delete(hers)
    with pytest.raises(NotAllowed, match="already"):
        town.ann.delete(mine)
    town.ann.promote(town.group, town.bob, can_delete_messages=True)
    town.bob.delete(hers)

    assert town.group.deleted_ids() == [mine.id, hers.id]
    assert hers.deleted_by is town.bob


def test_pinning_is_told_by_a_service_message_and_seen_in_the_chat(town: "Town") -> None:
    message = town.bob.write(town.group, "rules")
    town.updates.clear()

    town.bob.pin(message)

    assert town.heard("message")[0]["pinned_message"]["message_id"] == message.id
    assert town.call("getChat", chat_id=town.group)["pinned_message"]["text"] == "rules"
    town.ann.delete(message)
    assert "pinned_message" not in town.call("getChat", chat_id=town.group)
    town.ann.set_permissions(town.group)
    with pytest.raises(NotAllowed, match="pin"):
        town.bob.pin(message)


def test_pinning_a_post_is_silent_and_a_right_of_editors(town: "Town") -> None:
    post = town.ann.post(town.channel, "news")
    town.zed.join(town.channel)
    town.updates.clear()

    town.ann.pin(post)

    assert town.updates == []
    with pytest.raises(NotAllowed):
        town.zed.pin(post)


def test_only_the_owner_upgrades_a_basic_group_and_once(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob])
    with pytest.raises(NotAllowed):
        town.bob.migrate(basic)
    with pytest.raises(NotAllowed):
        town.ann.migrate(town.group)
    town.ann.migrate(basic)

    with pytest.raises(NotAllowed, match="already"):
        town.ann.migrate(basic)


def test_who_was_kicked_may_come_back_at_once(town: "Town") -> None:
    link = town.ann.link(town.group)

    town.ann.kick(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "left"
    assert town.kinds() == ["chat_member", "message"]
    with pytest.raises(NotAllowed, match="not in"):
        town.ann.kick(town.group, town.bob)
    town.bob.join(town.group, via=link)
    with pytest.raises(NotAllowed, match="can_restrict_members"):
        town.bob.kick(town.group, town.bot)


def test_a_kicked_bot_hears_of_it_and_is_told_nothing_more(town: "Town") -> None:
    town.ann.kick(town.group, town.bot)
    (change,) = town.heard("my_chat_member")
    town.bob.write(town.group, "It is gone")

    assert change["old_chat_member"]["status"] == "administrator"
    assert change["new_chat_member"]["status"] == "left"
    assert town.kinds() == []
    words = town.refused("getChatMember", chat_id=town.group, user_id=town.bot.id)
    assert words == "Forbidden: bot is not a member of the supergroup chat"


def test_a_banned_bot_can_be_brought_back(town: "Town") -> None:
    town.ann.ban(town.channel, town.bot)
    words = town.refused("getChatMember", chat_id=town.channel, user_id=town.bot.id)
    town.ann.ban(town.group, town.bot)

    town.ann.add(town.channel, town.bot)
    town.ann.add(town.group, town.bot)

    assert words == "Forbidden: bot was kicked from the channel chat"
    changes = [
        (change["chat"]["type"], change["new_chat_member"]["status"])
        for change in town.heard("my_chat_member")
    ]
    assert changes == [
        ("channel", "kicked"),
        ("supergroup", "kicked"),
        ("channel", "administrator"),
        ("supergroup", "member"),
    ]


def test_a_demoted_bot_sees_of_a_public_channel_only_that_it_is_not_in(town: "Town") -> None:
    town.ann.demote(town.channel, town.bot)

    mine = town.call("getChatMember", chat_id=town.channel, user_id=town.bot.id)
    words = town.refused("getChatMember", chat_id=town.channel, user_id=town.bob.id)

    assert mine["status"] == "left"
    assert words == "Bad Request: member list is inaccessible"


def test_a_renamed_chat_is_found_by_its_new_name_and_the_old_one_is_free(town: "Town") -> None:
    town.ann.rename(town.channel, "Fresh news", username="fresh_news")

    found = town.call("getChat", chat_id="@Fresh_News")
    assert (found["id"], found["title"]) == (town.channel.id, "Fresh news")
    assert town.refused("getChat", chat_id="@news") == "Bad Request: chat not found"
    town.ann.rename(town.channel, username="news")
    assert town.channel.name == "Fresh news"
    with pytest.raises(ValueError, match="taken"):
        town.ann.rename(town.channel, username="guard_bot")
    assert town.call("getChat", chat_id="@news")["id"] == town.channel.id


def test_a_chat_without_a_username_is_private(town: "Town") -> None:
    town.ann.rename(town.channel, username="")
    town.ann.demote(town.channel, town.bot)

    assert "username" not in town.heard("my_chat_member")[0]["chat"]
    words = town.refused("getChatMember", chat_id=town.channel, user_id=town.bot.id)
    assert words == "Forbidden: bot is not a member of the channel chat"


def test_only_a_new_title_is_told_and_in_channels_as_a_post(town: "Town") -> None:
    town.bob.rename(town.group, "Better group")
    (told,) = town.heard("message")
    town.ann.rename(town.group, "Better group", username="better_group")
    silence = list(town.updates)
    town.ann.rename(town.channel, "Better news")

    assert told["new_chat_title"] == "Better group"
    assert silence == []
    (post,) = town.heard("channel_post")
    assert post["new_chat_title"] == "Better news"


def test_titles_are_a_right_and_usernames_are_the_owners(town: "Town") -> None:
    town.ann.promote(town.channel, town.bob, can_post_messages=True)
    with pytest.raises(NotAllowed, match="can_change_info"):
        town.bob.rename(town.channel, "Mine")
    town.ann.promote(town.channel, town.bob, can_change_info=True)
    town.bob.rename(town.channel, "Ours")
    with pytest.raises(NotAllowed, match="own"):
        town.bob.rename(town.channel, username="ours")

    assert (town.channel.title, town.channel.username) == ("Ours", "news")

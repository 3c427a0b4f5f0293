"""What people do, and what they cannot."""

from typing import TYPE_CHECKING

import pytest

from gmbot.sandbox.chats import Chat
from gmbot.sandbox.errors import NotAllowed

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town


def test_whoever_is_muted_cannot_write(town: "Town") -> None:
    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions={})

    with pytest.raises(NotAllowed):
        town.bob.write(town.group, "let me speak")
    assert town.group.texts() == []


def test_whoever_may_write_but_send_no_photos_cannot_send_an_album(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob, can_send_messages=True)

    town.bob.write(town.group, "words")
    with pytest.raises(NotAllowed, match="can_send_photos"):
        town.bob.album(town.group, 2)
    with pytest.raises(NotAllowed, match="can_send_other_messages"):
        town.bob.share(town.group, {"sticker": {}})


def test_what_nobody_may_no_member_may_but_admins_do(town: "Town") -> None:
    town.ann.set_permissions(town.group)

    town.ann.write(town.group, "quiet please")
    with pytest.raises(NotAllowed):
        town.bob.write(town.group, "why?")


def test_who_is_not_in_a_group_cannot_write_there_unless_it_discusses_a_channel(
    town: "Town",
) -> None:
    with pytest.raises(NotAllowed):
        town.zed.write(town.group, "hi")

    town.channel.linked, town.group.linked = town.group, town.channel
    post = town.ann.post(town.channel, "news")
    town.zed.write(town.group, "a comment", reply_to=post.passed_on)
    town.group.join_to_send_messages = True
    with pytest.raises(NotAllowed):
        town.zed.write(town.group, "another")


def test_only_who_may_post_posts_in_a_channel(town: "Town") -> None:
    town.zed.join(town.channel)

    with pytest.raises(NotAllowed):
        town.zed.post(town.channel, "spam")
    with pytest.raises(ValueError, match="no channel"):
        town.ann.post(town.group, "news")


def test_a_command_is_marked_in_utf16(town: "Town") -> None:
    message = town.bob.write(town.group, "🦊 /start@guard_bot @ann_owner #hi https://x.example/")

    assert message.content["entities"] == [
        {"type": "bot_command", "offset": 3, "length": 16},
        {"type": "mention", "offset": 20, "length": 10},
        {"type": "hashtag", "offset": 31, "length": 3},
        {"type": "url", "offset": 35, "length": 18},
    ]
    with pytest.raises(ValueError, match="no command"):
        town.bob.command(town.group, "protect")


def test_any_text_passes_half_a_character_too(town: "Town") -> None:
    odd = town.world.person("\ud83d", "🦊" * 64, username="odd_name")
    town.ann.add(town.group, odd)
    town.ann.add(town.group, town.other)
    town.updates.clear()

    odd.write(town.group, "\ud83d /help")

    assert town.heard("message", town.other)[0]["text"] == "\ud83d /help"


def test_an_anonymous_admin_writes_as_the_group(town: "Town") -> None:
    with pytest.raises(NotAllowed):
        town.ann.write_anonymously(town.group, "hi")
    town.ann.be_anonymous(town.group)
    town.updates.clear()

    town.ann.write_anonymously(town.group, "hi")
    town.ann.photo(town.group)
    town.ann.restrict(town.group, town.bob)

    written, photo = (payload for _, kind, payload in town.updates if kind == "message")
    assert written["from"]["id"] == photo["from"]["id"] == 1087968824
    assert written["sender_chat"]["id"] == town.group.id
    (update,) = town.heard("chat_member")
    assert update["from"]["id"] == 1087968824


def test_whoever_owns_a_channel_can_write_as_it(town: "Town") -> None:
    town.ann.write_as(town.channel, town.group, "greetings")

    (message,) = town.heard("message")
    assert message["from"]["id"] == 136817688
    assert message["sender_chat"]["id"] == town.channel.id
    with pytest.raises(NotAllowed):
        town.bob.write_as(town.channel, town.group, "me too")
    with pytest.raises(NotAllowed):
        town.ann.write_as(town.group, town.group, "me too")


def test_an_album_is_messages_with_one_id_and_one_caption(town: "Town") -> None:
    town.bob.album(town.group, 3, "holidays @ann_owner")

    messages = town.heard("message")
    assert len({message["media_group_id"] for message in messages}) == 1
    assert [message.get("caption") for message in messages] == ["holidays @ann_owner", None, None]
    assert messages[0]["caption_entities"][0]["type"] == "mention"


def test_people_edit_their_own_words_only(town: "Town") -> None:
    message = town.bob.write(town.group, "old")
    photo = town.bob.photo(town.group, "old")
    town.updates.clear()

    town.bob.edit(message, "new")
    town.bob.edit(photo, "new")

    edited, caption = town.heard("edited_message")
    assert (edited["text"], caption["caption"]) == ("new", "new")
    assert edited["edit_date"] == town.now
    with pytest.raises(NotAllowed):
        town.ann.edit(message, "hers")
    town.bob.delete(message)
    with pytest.raises(NotAllowed):
        town.bob.edit(message, "gone")
    town.bob.leave(town.group)
    with pytest.raises(NotAllowed):
        town.bob.edit(photo, "from outside")


def test_channel_editors_edit_each_others_posts(town: "Town") -> None:
    town.zed.join(town.channel)
    town.ann.promote(town.channel, town.zed, can_edit_messages=True)
    post = town.ann.post(town.channel, "tpyo")
    town.updates.clear()

    town.zed.edit(post, "typo")

    assert town.heard("edited_channel_post")[0]["text"] == "typo"


def test_a_forward_tells_its_first_origin(town: "Town") -> None:
    town.zed.join(town.channel)
    post = town.ann.post(town.channel, "news")
    once = town.bob.forward(post, town.group)
    twice = town.ann.forward(once, town.group)
    written = town.ann.forward(town.bob.write(town.group, "words"), town.group)
    town.ann.be_anonymous(town.group)
    anonymous = town.ann.forward(town.ann.write(town.group, "hidden"), town.group)

    origins = [m.origin["type"] for m in (once, twice, written, anonymous) if m.origin is not None]
    assert origins == ["channel", "channel", "user", "chat"]
    assert twice.origin == once.origin
    with pytest.raises(NotAllowed):
        town.zed.forward(written, town.channel)
    with pytest.raises(NotAllowed):
        town.ann.forward(town.group.messages[1], town.group)


def keyboard_message(town: "Town") -> int:
    rows = [[{"text": "OK", "callback_data": "ok:1"}, {"text": "Site", "url": "https://x.example"}]]
    sent = town.call(
        "sendMessage", chat_id=town.group, text="Sure?", reply_markup={"inline_keyboard": rows}
    )
    message_id: int = sent["message_id"]
    return message_id


@pytest.mark.parametrize("button", ["OK", "ok:1"])
def test_a_press_reaches_the_bot_and_shows_its_answer(town: "Town", button: str) -> None:
    message = town.group.messages[keyboard_message(town)]

    press = town.bob.press(message, button)

    (query,) = town.heard("callback_query")
    assert query["data"] == "ok:1"
    assert query["message"]["message_id"] == message.id
    assert not press.answered
    town.call("answerCallbackQuery", callback_query_id=query["id"], text="Well", show_alert=True)
    assert (press.answered, press.text, press.show_alert) == (True, "Well", True)


def test_a_muted_person_can_press(town: "Town") -> None:
    message = town.group.messages[keyboard_message(town)]
    town.ann.restrict(town.group, town.bob)

    town.bob.press(message, "OK")

    assert len(town.heard("callback_query")) == 1


def test_a_guest_of_a_discussion_can_press(town: "Town") -> None:
    message = town.group.messages[keyboard_message(town)]
    town.channel.linked, town.group.linked = town.group, town.channel

    town.zed.press(message, "OK")

    assert town.heard("callback_query")[0]["from"]["id"] == town.zed.id


def test_there_must_be_a_button_to_press(town: "Town") -> None:
    message = town.group.messages[keyboard_message(town)]

    with pytest.raises(NotAllowed, match="no button"):
        town.bob.press(message, "Cancel")
    with pytest.raises(NotAllowed, match="address"):
        town.bob.press(message, "Site")
    with pytest.raises(NotAllowed):
        town.zed.press(message, "OK")
    with pytest.raises(NotAllowed):
        town.bob.press_data(town.bob.write(town.group, "mine"), "x")
    town.ann.delete(message)
    with pytest.raises(NotAllowed):
        town.bob.press(message, "OK")


def test_a_forged_press_carries_any_data(town: "Town") -> None:
    message = town.group.messages[keyboard_message(town)]

    town.bob.press_data(message, "admin:everything")

    assert town.heard("callback_query")[0]["data"] == "admin:everything"


def test_joining_a_public_chat_needs_no_link_and_a_private_one_does(town: "Town") -> None:
    town.zed.join(town.channel)
    with pytest.raises(NotAllowed, match="private"):
        town.zed.join(town.group)
    town.updates.clear()

    town.zed.join(town.group, via=town.ann.link(town.group).url)

    (update,) = town.heard("chat_member")
    assert update["invite_link"]["invite_link"].endswith("...")
    assert update["from"]["id"] == town.zed.id
    with pytest.raises(NotAllowed):
        town.zed.join(town.channel)


def test_a_link_lets_in_as_many_and_as_long_as_it_says(town: "Town") -> None:
    limited = town.ann.link(town.group, member_limit=1)
    short = town.ann.link(town.group, expire_date=int(town.now) + 10)
    revoked = town.ann.link(town.group)
    town.ann.revoke(revoked)
    town.zed.join(town.group, via=limited)
    town.zed.leave(town.group)
    town.now += 10

    for link in (limited, short, revoked, "https://t.me/+nothing"):
        with pytest.raises(NotAllowed):
            town.zed.join(town.group, via=link)


def test_a_link_that_asks_makes_a_request_and_no_other_does(town: "Town") -> None:
    asking = town.ann.link(town.group, creates_join_request=True)

    with pytest.raises(NotAllowed, match="ask"):
        town.zed.join(town.group, via=asking)
    with pytest.raises(NotAllowed, match="without asking"):
        town.zed.request_join(town.channel)
    request = town.zed.request_join(town.group, via=asking)
    with pytest.raises(NotAllowed, match="already"):
        town.zed.request_join(town.group, via=asking)

    assert request.state == "pending"
    assert asking.pending == 1
    (update,) = town.heard("chat_join_request")
    assert update["user_chat_id"] == town.zed.id
    assert "query_id" not in update


def test_admins_settle_requests_once(town: "Town") -> None:
    asking = town.ann.link(town.group, creates_join_request=True)
    approved = town.zed.request_join(town.group, via=asking)
    with pytest.raises(NotAllowed):
        town.bob.approve(approved)

    town.ann.approve(approved)

    assert (approved.state, asking.pending) == ("approved", 0)
    assert town.group.standing(town.zed.id, town.now).status == "member"
    with pytest.raises(NotAllowed):
        town.ann.decline(approved)


def test_a_public_chat_can_have_all_who_come_ask_first(town: "Town") -> None:
    town.channel.join_by_request = True
    with pytest.raises(NotAllowed):
        town.zed.join(town.channel)
    request = town.zed.request_join(town.channel)
    town.updates.clear()

    town.ann.decline(request)
    assert request.state == "declined"
    town.ann.approve(town.zed.request_join(town.channel))

    (update,) = town.heard("chat_member")
    assert update["via_join_request"] is True
    assert update["from"]["id"] == town.ann.id


def test_the_restricted_stay_restricted_when_they_leave_and_come_back(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob)
    town.bob.leave(town.group)
    assert not town.group.standing(town.bob.id, town.now).is_in

    town.bob.join(town.group, via=town.ann.link(town.group))

    assert not town.world.can_write(town.bob, town.group)


def test_the_owner_and_who_is_out_cannot_leave(town: "Town") -> None:
    for person in (town.ann, town.zed):
        with pytest.raises(NotAllowed):
            person.leave(town.group)


def test_a_private_chat_begins_when_the_person_starts_the_bot(town: "Town") -> None:
    town.bob.start(town.bot)
    town.bob.write(town.bot, "hello")

    started, hello = town.heard("message")
    assert started["text"] == "/start"
    assert hello["chat"] == {
        "id": town.bob.id,
        "type": "private",
        "first_name": "Bob",
        "last_name": "Builder",
    }
    assert isinstance(town.world.private(town.bot, town.bob), Chat)


def test_blocking_a_bot_is_told_to_it_and_ends_when_it_is_started_again(town: "Town") -> None:
    town.bob.start(town.bot)
    town.updates.clear()

    town.bob.block(town.bot)
    with pytest.raises(NotAllowed, match="blocked"):
        town.bob.write(town.bot, "hi")
    town.bob.start(town.bot)
    town.bob.block(town.bot)
    town.bob.unblock(town.bot)

    statuses = [update["new_chat_member"]["status"] for update in town.heard("my_chat_member")]
    assert statuses == ["kicked", "member", "kicked", "member"]

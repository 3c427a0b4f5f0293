"""A message in a guarded group."""

from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.guard.membership import Membership
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.members import EVERYTHING, MEMBER, PERMISSIONS
from gmbot.storage.records import RestrictionState
from tests.guard.town import JOINED, Town, last_update, pressed, settle

TWO_CHANNELS = pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])


# Who stands


async def test_a_member_who_is_known_costs_no_call_and_no_query(
    autojump_clock: MockClock, town: Town
) -> None:
    town.max.write(town.group, "Hello")
    await settle()
    assert town.count("getChatMember") == 1

    with town.no_calls():
        messages = [town.max.write(town.group, "Hello again") for _ in range(50)]
        messages += town.max.album(town.group, 10)
        town.max.edit(messages[0], "Hello once more")
        await settle()

    assert not any(message.deleted for message in messages)


async def test_what_memory_decides_needs_no_task(autojump_clock: MockClock, town: Town) -> None:
    town.max.write(town.group, "Hello")
    await settle()
    town.max.write(town.group, "Hello")

    assert town.bot.dispatch.decide(last_update(town.telegram).update)


async def test_a_member_is_asked_about_again_after_the_time_to_live(
    autojump_clock: MockClock, town: Town
) -> None:
    for _ in range(2):
        town.max.write(town.group, "Hello")
        await settle()
        await trio.sleep(600 * 1.16)

    assert town.count("getChatMember") == 2


async def test_a_moderator_and_the_owner_are_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    messages = [town.mia.write(town.group, "Order!"), town.anna.write(town.group, "Hi")]
    await settle()

    assert not any(message.deleted for message in messages)
    assert town.storage.rows("restrictions") == []
    assert town.notices() == []


async def test_an_owner_who_is_not_in_the_channel_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    eve = town.world.person("Eve")
    group = town.world.supergroup("Eve's", creator=eve, admins=[town.telegram.bot])
    await town.protect(town.storage, group)
    await town.bot.guard.policies.load()

    message = eve.write(group, "My own place")
    await settle()

    assert not message.deleted
    assert town.storage.rows("restrictions") == []


async def test_a_moderator_is_asked_about_once_a_minute(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.write(town.group, "Order!")
    await settle()

    with town.no_calls():
        for _ in range(5):
            town.mia.write(town.group, "Order, I said!")
            await settle()


async def test_an_admin_who_was_demoted_is_one_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.write(town.group, "Order!")
    await settle()
    town.anna.demote(town.group, town.mia)
    message = town.mia.write(town.group, "Disorder!")
    await settle()

    assert message.deleted
    assert town.is_muted(town.mia)


async def test_an_anonymous_admin_is_left_alone(autojump_clock: MockClock, town: Town) -> None:
    town.mia.be_anonymous(town.group)

    with town.no_calls():
        message = town.mia.write_anonymously(town.group, "The group speaks")
        await settle()

    assert not message.deleted


async def test_the_linked_channel_and_its_automatic_forwards_are_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    own = town.world.channel("Garden", creator=town.anna, discussion=town.group)

    with town.no_restrictions():
        post = town.anna.post(own, "A new rose")
        written_as = town.anna.write_as(own, town.group, "Ask me")
        again = town.anna.write_as(own, town.group, "Anything")
        as_required = town.anna.write_as(town.channel, town.group, "News!")
        await settle()

    assert town.count("getChat") == 1  # which channel is the linked one, asked once
    assert post.passed_on is not None
    assert not any(m.deleted for m in (post.passed_on, written_as, again, as_required))
    assert town.notices() == []


async def test_what_is_written_as_a_foreign_channel_goes_and_nobody_is_muted(
    autojump_clock: MockClock, town: Town
) -> None:
    spam = town.world.channel("Spam & Co", creator=town.sue)

    message = town.sue.write_as(spam, town.group, "Buy!")
    await settle()

    assert message.deleted
    assert town.count("restrictChatMember") == 0
    assert town.count("banChatSenderChat") == 0
    assert not town.is_muted(town.sue)
    (notice,) = (m for m in town.group.visible() if m.sender is town.telegram.bot)
    assert "Spam & Co" in notice.text
    assert "please write here as yourselves" in notice.text
    await trio.sleep(301)
    assert notice.deleted


async def test_where_the_linked_channel_cannot_be_asked_for_the_message_waits(
    autojump_clock: MockClock, town: Town
) -> None:
    own = town.world.channel("Garden", creator=town.anna, discussion=town.group)
    town.telegram.faults.add(Fault.status(502), method="getChat", times=4)
    message = town.anna.write_as(own, town.group, "Ask me")
    await trio.sleep(60)

    assert not message.deleted
    assert town.storage.rows("pending_updates") == []


async def test_service_messages_are_left_alone(autojump_clock: MockClock, town: Town) -> None:
    rules = town.anna.write(town.group, "The rules")
    await settle()

    with town.no_restrictions():
        town.tim.leave(town.group)
        town.anna.pin(rules)
        await settle()

    assert not town.group.deleted_ids()


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param({"id": 777000, "is_bot": False, "first_name": "Telegram"}, id="telegram"),
        pytest.param({"id": 42, "is_bot": True, "first_name": "Robot"}, id="bot"),
        pytest.param(None, id="nobody"),
    ],
)
async def test_these_senders_are_left_alone(
    autojump_clock: MockClock, town: Town, sender: dict[str, Any] | None
) -> None:
    payload = {"message_id": 9, "date": 1, "chat": town.group.payload(), "text": "beep"}
    if sender is not None:
        payload["from"] = sender

    with town.no_calls():
        town.telegram.inject("message", payload)
        await settle()


async def test_a_group_that_is_not_guarded_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.sue], admins=[town.telegram.bot]
    )

    with town.no_calls():
        message = town.sue.write(other, "Hello")
        private = town.sue.write(town.telegram.bot, "Hello")
        await settle()

    assert not message.deleted
    assert not private.deleted


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"message_id": "no"},
        {"message_id": 5, "chat": {"id": 2**63 - 1, "type": "supergroup"}, "from": {"id": 2**62}},
        {"message_id": 5, "chat": {"id": -5}, "text": "/protect \ud83d @x"},
        {"message_id": 5, "chat": {"id": -5, "type": "unheard_of"}, "new_thing": {"a": [1]}},
    ],
)
async def test_junk_harms_nobody(
    autojump_clock: MockClock, town: Town, junk: dict[str, Any]
) -> None:
    town.telegram.inject("message", junk)
    town.telegram.inject("a_new_kind", junk)
    town.telegram.inject("callback_query", junk)
    town.telegram.inject("chat_member", junk)
    message = town.sue.write(town.group, "Buy my seeds!")
    await settle()

    assert message.deleted


# Who goes


async def test_a_stranger_is_muted_their_message_deleted_and_told_why(
    autojump_clock: MockClock, town: Town
) -> None:
    message = town.sue.write(town.group, "Buy my seeds!")
    await settle()

    assert message.deleted
    assert town.is_muted(town.sue)
    assert town.notice.text == (
        "Sue, to write here please join News 0. "
        "Then press I have joined, and you can write at once."
    )
    assert list(town.notice.buttons()) == [
        {"text": "Join News 0", "url": "https://t.me/news_0"},
        {"text": "I have joined", "callback_data": "verify"},
    ]
    assert town.notice.content["entities"][0]["user"]["id"] == town.sue.id


async def test_the_record_is_written_before_the_mute_is_sent(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy my seeds!")
    await settle()

    in_the_channel, *then = town.sent()
    in_the_group = ["is_pardoned", "getChatMember"]
    assert [in_the_channel, *then[:2]] == ["getChatMember", *in_the_group]
    assert then[2] == "want_restriction"
    assert set(then[3:5]) == {"restrictChatMember", "deleteMessages"}
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.HELD
    assert (held.name, held.before, held.until_date) == ("Sue", None, None)


async def test_mute_and_delete_go_side_by_side(autojump_clock: MockClock, town: Town) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
    message = town.sue.write(town.group, "Buy my seeds!")
    await settle()
    assert message.deleted
    assert not town.is_muted(town.sue)

    town.telegram.faults.remove(rule)
    await settle()
    assert town.is_muted(town.sue)


@pytest.mark.parametrize("kind", ["photo", "voice", "sticker", "edited", "command"])
async def test_any_content_counts(autojump_clock: MockClock, town: Town, kind: str) -> None:
    if kind == "photo":
        message = town.sue.photo(town.group, "Seeds")
    elif kind == "edited":
        town.sue.join(town.channel)
        message = town.sue.write(town.group, "Hello")
        await settle()
        town.sue.leave(town.channel)
        town.sue.edit(message, "Buy my seeds!")
    elif kind == "command":
        message = town.sue.command(town.group, "/protect @news_0")
    else:
        file = {"file_id": "f", "file_unique_id": "u", "duration": 3}
        sticker = {"type": "regular", "width": 9, "height": 9, "is_animated": False}
        content = file if kind == "voice" else {**file, **sticker, "is_video": False}
        content = {k: v for k, v in content.items() if kind == "voice" or k != "duration"}
        message = town.sue.share(town.group, {kind: content})
    await settle()

    assert message.deleted
    assert town.is_muted(town.sue)
    assert town.said() == []


async def test_an_album_goes_whole_with_one_mute_and_one_notice(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.exchange.latency = 0.05
    album = town.sue.album(town.group, 10, "Seeds")
    await trio.sleep(10)

    assert all(photo.deleted for photo in album)
    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1
    assert len(town.notices()) == 1


async def test_one_look_up_is_in_flight_however_many_messages_wait(
    autojump_clock: MockClock, town: Town
) -> None:
    """In two groups at once, so that the person's own order does not hide it."""
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.max], admins=[town.telegram.bot]
    )
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    town.telegram.exchange.latency = 0.5
    ids = [town.channel.id]

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(town.bot.guard.memberships.verify, ids, town.max.id)

    assert town.count("getChatMember") == 1


@TWO_CHANNELS
async def test_who_lacks_one_of_two_channels_is_a_stranger(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.join(town.channels[0])
    message = town.sue.write(town.group, "Hello")
    await settle()

    assert message.deleted
    assert "please join News 1." in town.notice.text
    assert [button["text"] for button in town.notice.buttons()] == ["Join News 1", JOINED]


@TWO_CHANNELS
async def test_a_notice_asks_for_each_channel_that_any_of_those_named_lacks(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.join(town.channels[0])
    town.tim.join(town.channels[1])
    town.sue.write(town.group, "Hello")
    town.tim.write(town.group, "Hello")
    await trio.sleep(10)
    assert "please join News 0 and News 1." in town.notice.text

    town.tim.join(town.channels[0])
    await trio.sleep(10)
    assert town.notice.text.startswith("Sue, to write here please join News 1.")


@TWO_CHANNELS
async def test_who_joins_one_of_two_channels_is_asked_for_the_other(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Hello")
    await trio.sleep(10)
    assert "please join News 0 and News 1." in town.notice.text

    town.sue.join(town.channels[0])
    await trio.sleep(10)
    assert "please join News 1." in town.notice.text
    assert town.is_muted(town.sue)


@TWO_CHANNELS
async def test_a_channel_in_doubt_does_not_excuse_a_channel_that_is_missing(
    autojump_clock: MockClock, town: Town
) -> None:
    town.channels[1].member_list_inaccessible = True
    message = town.sue.write(town.group, "Hello")
    await settle()

    assert message.deleted


async def test_who_is_missing_is_remembered_too(autojump_clock: MockClock, town: Town) -> None:
    town.sue.write(town.group, "Hello")
    await settle()
    asked = town.count("getChatMember")
    verification = await town.bot.guard.memberships.verify([town.channel.id], town.sue.id)

    assert verification.missing == {town.channel.id}
    assert town.count("getChatMember") == asked
    assert town.bot.guard.memberships.statistics().hits > 0


async def test_many_strangers_are_told_in_one_message(
    autojump_clock: MockClock, town: Town
) -> None:
    people = [town.world.person(f"P{number}") for number in range(8)]
    for person in people:
        town.anna.add(town.group, person)
    town.telegram.exchange.latency = 0.05
    for person in people:
        person.write(town.group, "Buy!")
    await trio.sleep(10)

    assert all(town.is_muted(person) for person in people)
    assert " and 3 more" in town.notice.text
    assert town.count("sendMessage") == 1


async def test_a_channel_update_is_known_at_once(autojump_clock: MockClock, town: Town) -> None:
    town.sue.write(town.group, "Hello")
    await settle()
    town.max.write(town.group, "Hello")
    town.max.leave(town.channel)
    message = town.max.write(town.group, "I am out")
    await settle()

    assert message.deleted
    assert town.is_muted(town.max)


async def test_who_comments_without_ever_having_been_there_is_a_stranger_too(
    autojump_clock: MockClock, town: Town
) -> None:
    town.world.channel("Garden", creator=town.anna, discussion=town.group)
    town.group.absent_answer = "Bad Request: PARTICIPANT_ID_INVALID"
    guest = town.world.person("Guest")
    message = guest.write(town.group, "Buy!")
    await settle()

    assert message.deleted
    assert town.is_muted(guest)


async def test_never_there_in_the_channel_is_missing_whatever_the_words(
    autojump_clock: MockClock, town: Town
) -> None:
    town.channel.absent_answer = "Bad Request: member not found"
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted


async def test_who_was_banned_meanwhile_stays_banned(autojump_clock: MockClock, town: Town) -> None:
    """A restriction would end the ban."""
    rule = town.telegram.faults.add(Fault.hang(), method="getChatMember", chat=town.channel.id)
    message = town.sue.write(town.group, "Buy!")
    await settle()
    town.mia.ban(town.group, town.sue)
    message.deleted = False  # it came in the moment of the ban, and Telegram missed it
    town.telegram.faults.remove(rule)
    await settle()

    assert town.group.standing(town.sue.id, town.telegram.now()).status == "kicked"
    assert message.deleted
    assert await town.held(town.sue) is None
    assert town.notices() == []


# What is given back


async def test_what_was_restricted_before_is_recorded_whole_and_given_back(
    autojump_clock: MockClock, town: Town
) -> None:
    until = int(town.telegram.now()) + 86_400
    town.mia.restrict(
        town.group,
        town.sue,
        until_date=until,
        can_send_messages=True,
        can_send_polls=True,
        can_invite_users=True,
    )
    before = town.group.standing(town.sue.id, town.telegram.now())
    town.sue.write(town.group, "Buy!")
    await settle()
    held = await town.held(town.sue)
    assert held is not None
    assert held.before is not None
    assert {name for name, may in held.before.items() if may} == before.permissions
    assert held.before.keys() == set(PERMISSIONS)
    assert held.until_date == until

    town.sue.join(town.channel)
    await settle()

    assert town.group.standing(town.sue.id, town.telegram.now()) == before
    assert await town.held(town.sue) is None


async def test_a_right_that_nobody_here_knows_is_recorded_and_given_back(
    autojump_clock: MockClock, town: Town
) -> None:
    rights = dict.fromkeys(PERMISSIONS, True) | {"can_send_photos": False, "can_fly": True}
    user = town.sue.payload()
    member = {"status": "restricted", "user": user, "is_member": True, "until_date": 0, **rights}
    answer = Fault("future", spoil=lambda reply: _answered(reply, member))
    rule = town.telegram.faults.add(answer, method="getChatMember", chat=town.group.id)
    town.sue.write(town.group, "Buy!")
    await settle()
    town.telegram.faults.remove(rule)

    held = await town.held(town.sue)
    assert held is not None
    assert held.before == rights
    await _release_a_muted(town, can_fly=False)
    given_back = town.telegram.calls_of("restrictChatMember")[-1].params["permissions"]
    assert given_back == rights


async def test_a_right_that_nobody_here_knows_is_lifted_with_the_others(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await _release_a_muted(town, can_fly=False)
    given_back = town.telegram.calls_of("restrictChatMember")[-1].params["permissions"]

    assert given_back == {**dict.fromkeys(PERMISSIONS, True), "can_fly": True}


async def _release_a_muted(town: Town, **more: bool) -> None:
    """Let Sue be released by a Telegram that knows more rights than we do."""
    rights = dict.fromkeys(PERMISSIONS, False) | more
    user = town.sue.payload()
    member = {"status": "restricted", "user": user, "is_member": True, "until_date": 0, **rights}
    answer = Fault("future", spoil=lambda reply: _answered(reply, member))
    rule = town.telegram.faults.add(answer, method="getChatMember", chat=town.group.id)
    town.sue.join(town.channel)
    await settle()
    town.telegram.faults.remove(rule)
    # The simulated one does not know them, and minds.
    minded = {violation.problem.partition(":")[0] for violation in town.telegram.violations}
    assert minded == {f"parameter permissions.{name}" for name in more}
    town.telegram.violations.clear()


def _answered(reply: Any, result: Any) -> Any:
    from gmbot.sandbox.replies import encode, success  # noqa: PLC0415 - this test alone

    return success(encode(result))


async def test_a_restriction_that_has_ended_is_not_given_back(
    autojump_clock: MockClock, town: Town
) -> None:
    until = int(town.telegram.now()) + 200
    town.mia.restrict(town.group, town.sue, until_date=until, can_send_messages=True)
    town.sue.write(town.group, "Buy!")
    await settle()
    await trio.sleep(180)
    town.sue.join(town.channel)
    await settle()

    standing = town.group.standing(town.sue.id, town.telegram.now())
    assert standing.status == "member"
    assert town.world.permissions(town.sue, town.group) == EVERYTHING


async def test_whose_mute_is_gone_was_pardoned_by_a_human(
    autojump_clock: MockClock, town: Town
) -> None:
    """Also where no update of it came: nobody else can have lifted it."""
    town.sue.write(town.group, "Buy!")
    await settle()
    town.group.standings[town.sue.id] = MEMBER
    message = town.sue.write(town.group, "Thank you, Mia")
    await settle()

    assert not message.deleted
    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None


# Bad days


async def test_doubt_lets_a_message_stand_and_comes_back_to_it(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.channel.member_list_inaccessible = True
    message = town.sue.write(town.group, "Buy!")
    await settle()
    assert not message.deleted
    assert not town.is_muted(town.sue)
    assert len(town.storage.rows("pending_updates")) == 1

    await trio.sleep(200)
    assert not message.deleted
    town.channel.member_list_inaccessible = False
    await trio.sleep(603)

    calls = town.telegram.calls_of("getChatMember")
    asked = [call.at for call in calls if call.params["user_id"] == town.sue.id][:5]
    waits = [later - earlier for earlier, later in pairwise(asked)]
    for wait, delay in zip(waits, (5, 30, 120, 600), strict=True):
        assert delay <= wait < delay + 1.1
    assert town.group.deleted_ids() == [message.id]
    assert town.is_muted(town.sue)
    assert town.storage.rows("pending_updates") == []
    assert sum(entry["event"] == "membership_unknown" for entry in logs) == 1


async def test_doubt_to_the_end_leaves_a_person_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    town.channel.member_list_inaccessible = True
    message = town.sue.write(town.group, "Buy!")
    await trio.sleep(900)

    assert not message.deleted
    assert not town.is_muted(town.sue)
    assert town.storage.rows("pending_updates") == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.status(502, html=True), id="html"),
        pytest.param(Fault.dropped(), id="reset"),
        pytest.param(Fault.garbage(), id="garbage"),
    ],
)
async def test_an_api_that_fails_punishes_nobody(
    autojump_clock: MockClock, town: Town, fault: Fault
) -> None:
    rule = town.telegram.faults.add(fault, method="getChatMember", chat=town.channel.id)
    message = town.sue.write(town.group, "Buy!")
    town.max.write(town.group, "Hello")
    await trio.sleep(60)
    assert not message.deleted
    assert town.storage.rows("restrictions") == []

    town.telegram.faults.remove(rule)
    await trio.sleep(160)
    assert town.group.deleted_ids() == [message.id]
    assert town.is_muted(town.sue)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.status(502, html=True), id="html"),
        pytest.param(Fault.hang(), id="timeout"),
        pytest.param(Fault.flood(30), id="flood"),
        pytest.param(Fault.status(403, description="Forbidden: bot was kicked"), id="removed"),
    ],
)
async def test_a_look_up_that_fails_finds_nobody_missing(
    autojump_clock: MockClock, town: Town, fault: Fault
) -> None:
    town.telegram.faults.add(fault, method="getChatMember", times=6)
    verification = await town.bot.guard.memberships.verify([town.channel.id], town.max.id)

    assert verification.missing == frozenset()
    expected = Membership.MEMBER if fault.name == "flood" else Membership.UNKNOWN
    assert verification.outcome is expected


async def test_a_flow_cut_off_after_the_record_goes_on_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
    message = town.sue.write(town.group, "Buy!")
    await settle()
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.WANTED

    await town.restart()
    town.telegram.faults.remove(rule)
    await trio.sleep(20)

    assert message.deleted
    assert town.is_muted(town.sue)
    assert town.notice.text.startswith("Sue,")


async def test_a_flow_cut_off_after_the_mute_keeps_what_was_before(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True)
    human = town.group.standing(town.sue.id, town.telegram.now())
    town.telegram.faults.add(Fault.lost(), method="restrictChatMember", times=1)
    rule = town.telegram.faults.add(Fault.hang(), method="deleteMessages")
    town.sue.write(town.group, "Buy!")
    await settle()
    assert town.is_muted(town.sue)

    await town.restart()
    town.telegram.faults.remove(rule)
    await trio.sleep(20)
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.HELD

    town.sue.join(town.channel)
    await settle()
    assert town.group.standing(town.sue.id, town.telegram.now()) == human


async def test_a_mute_that_was_not_noted_is_not_taken_for_a_humans(
    autojump_clock: MockClock, town: Town
) -> None:
    """A kill between the mute and the note of it: the record says WANTED, the person is muted."""
    town.storage.refuse["advance_restriction"] = town.away()
    message = town.sue.write(town.group, "Buy!")
    await settle()
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.WANTED
    assert town.is_muted(town.sue)

    await trio.sleep(10)
    held = await town.held(town.sue)
    assert held is not None
    assert (held.state, held.before) == (RestrictionState.HELD, None)
    assert town.count("restrictChatMember") == 1
    assert message.deleted
    assert town.notice.text.startswith("Sue,")


async def test_no_mute_without_a_record(autojump_clock: MockClock, town: Town) -> None:
    town.storage.away = True
    message = town.sue.write(town.group, "Buy!")
    await trio.sleep(30)
    assert not town.is_muted(town.sue)
    assert town.count("restrictChatMember") == 0

    town.storage.away = False
    await trio.sleep(20)
    assert town.is_muted(town.sue)
    assert message.deleted


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Bad Request: user is an administrator of the chat", None),
        ("Bad Request: not enough rights to restrict/unrestrict chat member", "mute"),
        ("Bad Request: PARTICIPANT_ID_INVALID", None),
    ],
)
async def test_a_mute_that_is_refused_leaves_no_record(
    autojump_clock: MockClock, town: Town, logs: Any, words: str, expected: str | None
) -> None:
    refused = Fault.error(TelegramError(400, words))
    town.telegram.faults.add(refused, method="restrictChatMember")
    town.sue.write(town.group, "Buy!")
    await settle()

    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None
    assert town.notices() == []
    said = [e["action"] for e in logs if e["event"] == "rights_missing"]
    assert said == ([expected] if expected else [])


async def test_a_deletion_that_is_refused_does_not_keep_from_muting(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.promote(town.group, town.telegram.bot, can_restrict_members=True)
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert town.is_muted(town.sue)
    assert not message.deleted
    assert [e["action"] for e in logs if e["event"] == "rights_missing"] == ["delete"]


async def test_a_message_that_is_gone_already_is_no_trouble(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.exchange.latency = 0.5
    message = town.sue.write(town.group, "Buy!")
    await trio.sleep(0.1)
    town.mia.delete(message)
    await trio.sleep(5)

    assert town.is_muted(town.sue)


async def test_a_rights_loss_does_not_lose_the_record_of_who_is_muted(
    autojump_clock: MockClock, town: Town
) -> None:
    message = town.sue.write(town.group, "Buy!")
    late = last_update(town.telegram)
    await settle()
    town.anna.promote(town.group, town.telegram.bot, can_delete_messages=True)
    await town.bot.dispatch.accept(late, lambda: None)
    await settle()

    assert message.deleted
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.HELD


async def test_a_message_given_again_changes_nothing(autojump_clock: MockClock, town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    again = last_update(town.telegram)
    await settle()
    deeds = town.world.journal.total

    for _ in range(3):
        await town.bot.dispatch.accept(again, lambda: None)
        await trio.sleep(5)

    assert town.world.journal.total == deeds
    assert len(town.notices()) == 1


async def test_a_message_given_again_after_the_release_stands_for_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    again = last_update(town.telegram)
    await settle()
    town.sue.join(town.channel)
    await pressed(town.sue, town.notice)
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(5)

    assert not town.is_muted(town.sue)
    assert town.notices() == []


@pytest.mark.parametrize("name", ["🦊" * 64, "<b>&\"'</b>", "\u202eevil\u202c", "", "A\u0000B"])
async def test_any_name_can_be_told(autojump_clock: MockClock, town: Town, name: str) -> None:
    person = town.world.person(name)
    town.group.standings[person.id] = MEMBER
    person.write(town.group, "Buy!")
    await settle()

    assert town.is_muted(person)
    shown = " ".join(name.replace("\u202e", "").replace("\u202c", "").split()) or "Somebody"
    assert town.notice.text.startswith(f"{shown}, to write")
    assert town.notice.content["entities"][0]["user"]["id"] == person.id

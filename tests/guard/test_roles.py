"""Who is exempt, as far as a message or a standing tells."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.types import ChatMember, Message, User
from gmbot.guard.policies import Policy
from gmbot.guard.roles import Exemption, exemption_of_member, exemption_of_message
from gmbot.storage.records import Channel

GROUP, CHANNEL, OTHER = -100, -200, -300
POLICY = Policy(GROUP, "Group", (Channel(CHANNEL, "News", None, None, hidden=True),), frozenset())
PERSON = {"id": 7, "first_name": "Sue", "is_bot": False}


def message(**fields: Any) -> Message:
    raw = {"message_id": 1, "date": 1, "chat": {"id": GROUP, "type": "supergroup"}, **fields}
    return msgspec.convert(raw, Message) if "photo" not in fields else _decoded(raw)


def _decoded(raw: dict[str, Any]) -> Message:
    return msgspec.json.decode(msgspec.json.encode(raw), type=Message)


def _as(chat_id: int, **person: Any) -> dict[str, Any]:
    return {"text": "x", "from": {**PERSON, **person}, "sender_chat": {"id": chat_id}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": "hi", "from": PERSON}, None),
        ({"photo": [{}], "from": PERSON}, None),
        ({"from": PERSON}, Exemption.SERVICE),
        ({"new_chat_members": [PERSON], "from": PERSON}, Exemption.SERVICE),
        ({"left_chat_member": PERSON, "from": PERSON}, Exemption.SERVICE),
        ({"text": "hi"}, Exemption.SERVICE),
        ({"text": "hi", "from": {**PERSON, "id": 777000}}, Exemption.TELEGRAM),
        ({"text": "hi", "from": {**PERSON, "is_bot": True}}, Exemption.BOT),
        (_as(GROUP, id=1087968824, is_bot=True), Exemption.ANONYMOUS_ADMIN),
        (_as(CHANNEL, id=136817688, is_bot=True), Exemption.LINKED_CHANNEL),
        (_as(OTHER, id=136817688, is_bot=True), None),
        (_as(OTHER, id=777000) | {"is_automatic_forward": True}, Exemption.LINKED_CHANNEL),
    ],
)
def test_a_message_tells_who_is_exempt(fields: dict[str, Any], expected: Exemption | None) -> None:
    assert exemption_of_message(message(**fields), POLICY) is expected


@given(
    text=st.none() | st.text(max_size=3),
    user=st.none() | st.tuples(st.sampled_from([7, 777000, 1087968824]), st.booleans()),
    sender=st.none() | st.sampled_from([GROUP, CHANNEL, OTHER]),
    automatic=st.booleans(),
)
def test_only_people_and_foreign_channels_are_looked_at(
    *, text: str | None, user: tuple[int, bool] | None, sender: int | None, automatic: bool
) -> None:
    fields: dict[str, Any] = {"is_automatic_forward": automatic}
    if text is not None:
        fields["text"] = text
    if user is not None:
        fields["from"] = {"id": user[0], "is_bot": user[1]}
    if sender is not None:
        fields["sender_chat"] = {"id": sender}

    looked_at = exemption_of_message(message(**fields), POLICY) is None
    is_person = user in {(7, False), (1087968824, False)}
    is_looked_at = sender == OTHER or (is_person and sender is None)
    assert looked_at == (text is not None and is_looked_at and not automatic)


@pytest.mark.parametrize(
    ("status", "is_bot", "expected"),
    [
        ("creator", False, Exemption.ADMIN),
        ("administrator", False, Exemption.ADMIN),
        ("administrator", True, Exemption.BOT),
        ("member", True, Exemption.BOT),
        ("member", False, None),
        ("restricted", False, None),
        ("left", False, None),
        ("kicked", False, None),
        ("something new", False, None),
    ],
)
def test_a_standing_tells_who_is_exempt(
    *, status: str, is_bot: bool, expected: Exemption | None
) -> None:
    member = ChatMember(status, User(7, is_bot=is_bot))

    assert exemption_of_member(member) is expected

"""Which update starts which flow."""

import pytest
from trio.testing import MockClock

from gmbot.api.types import Chat, Message, Update, User
from gmbot.flows.routes import Routes
from tests.guard.town import Town


@pytest.mark.parametrize(
    ("text", "name"),
    [("hello", "message"), ("/protect @x", "protect"), ("/protect@other_bot", "message")],
)
async def test_a_flow_has_a_name_and_a_person(
    autojump_clock: MockClock, town: Town, text: str, name: str
) -> None:
    routes = Routes(town.bot.guard)
    message = Message(1, Chat(town.group.id, "supergroup"), from_user=User(7), text=text)
    flow = routes.flow_of(Update(1, message=message))

    assert flow is not None
    assert (flow.name, flow.person) == (name, 7)


async def test_an_edited_command_is_a_message(autojump_clock: MockClock, town: Town) -> None:
    routes = Routes(town.bot.guard)
    message = Message(1, Chat(town.group.id, "supergroup"), from_user=User(7), text="/protect @x")
    flow = routes.flow_of(Update(1, edited_message=message))

    assert flow is not None
    assert flow.name == "message"


async def test_what_nobody_wrote_goes_in_the_chats_own_order(
    autojump_clock: MockClock, town: Town
) -> None:
    message = Message(1, Chat(town.group.id, "supergroup"), text="/protect @x")
    flow = Routes(town.bot.guard).flow_of(Update(1, message=message))

    assert flow is not None
    assert flow.person == town.group.id


async def test_an_update_of_a_new_kind_starts_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    routes = Routes(town.bot.guard)

    assert routes.decide(Update(1))
    assert routes.flow_of(Update(1)) is None

import json
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from gmbot.sandbox.calls import Outcome
from gmbot.sandbox.chats import Chat
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.flood import FloodLimits, Limit
from gmbot.sandbox.telegram import Telegram


@pytest.fixture
def telegram_options() -> dict[str, Any]:
    return {"flood": FloodLimits()}


@pytest.fixture
def group(telegram: Telegram) -> Chat:
    owner = telegram.world.person("Olga")
    return telegram.world.supergroup("Group", creator=owner, members=[telegram.bot])


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "words"),
    [
        pytest.param(Fault.status(500), 500, "application/json", "Internal Server Error", id="500"),
        pytest.param(
            Fault.status(502, html=True), 502, "text/html", "<h1>502 Bad Gateway", id="html"
        ),
        pytest.param(
            Fault.status(403, description="Forbidden: x"),
            403,
            "application/json",
            "Forbidden: x",
            id="words",
        ),
        pytest.param(
            Fault.error(TelegramError(400, "Bad Request: y")),
            400,
            "application/json",
            "Bad Request: y",
            id="error",
        ),
        pytest.param(
            Fault.conflict(),
            409,
            "application/json",
            "terminated by other getUpdates",
            id="conflict",
        ),
        pytest.param(Fault.empty(504), 504, "application/json", "", id="empty"),
        pytest.param(Fault.garbage(), 200, "application/json", '{"ok":tru', id="garbage"),
    ],
)
async def test_a_fault_answers_in_its_own_way(
    telegram: Telegram, ask: Any, fault: Fault, status: int, content_type: str, words: str
) -> None:
    telegram.faults.add(fault, times=1)

    answer = await ask("getMe")

    assert answer.status_code == status
    assert answer.headers["content-type"] == content_type
    assert words in answer.text
    assert telegram.calls[-1].outcome is Outcome.FAULT
    assert telegram.faults.fired[fault.name] == 1
    assert (await ask("getMe")).json()["ok"] is True


async def test_a_fault_is_for_a_method_in_a_chat_and_so_many_times(
    telegram: Telegram, ask: Any, group: Chat
) -> None:
    rule = telegram.faults.add(Fault.status(500), method="getchat", chat=group.id, times=2)

    others = [await ask("getMe"), await ask("getChat", chat_id=5)]
    asked = [await ask("getChat", chat_id=group.id) for _ in range(3)]

    assert [answer.status_code for answer in others] == [200, 400]
    assert [answer.status_code for answer in asked] == [500, 500, 200]
    assert rule.fired == 2


async def test_a_fault_lasts_until_it_is_removed(telegram: Telegram, ask: Any) -> None:
    rule = telegram.faults.add(Fault.status(500))
    telegram.faults.add(Fault.status(502))
    before = [(await ask("getMe")).status_code for _ in range(3)]

    telegram.faults.remove(rule)
    second = (await ask("getMe")).status_code
    telegram.faults.clear()

    assert before == [500, 500, 500]
    assert second == 502
    assert (await ask("getMe")).status_code == 200


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        pytest.param(Fault.dropped(), 0, id="before the work"),
        pytest.param(Fault.lost(), 1, id="before the answer"),
        pytest.param(Fault.reset(), 1, id="within the answer"),
    ],
)
async def test_a_connection_is_reset(
    telegram: Telegram, ask: Any, group: Chat, fault: Fault, done: int
) -> None:
    telegram.faults.add(fault, method="sendMessage", times=1)
    before = len(group.messages)

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await ask("sendMessage", chat_id=group.id, text="hi")

    assert len(group.messages) - before == done


async def test_a_slow_answer_comes_late_and_a_hang_ends_when_removed(
    telegram: Telegram, ask: Any, nursery: trio.Nursery
) -> None:
    telegram.faults.add(Fault.slow(0.05), times=1)
    await ask("getMe")
    hanging = telegram.faults.add(Fault.hang())
    with trio.move_on_after(0.05) as scope:
        await ask("getMe")
    assert scope.cancelled_caught
    nursery.start_soon(ask, "getMyName")
    with trio.fail_after(5):
        await telegram.wait_until(lambda: telegram.log.open["getMyName"] == 1)

    telegram.faults.remove(hanging)
    with trio.fail_after(5):
        call = await telegram.wait_call(lambda call: call.method == "getMyName")

    assert call.is_ok
    assert telegram.log.open.total() == 0
    assert 0.05 <= telegram.calls[0].took < 5


async def test_a_429_freezes_the_chat_and_a_call_within_is_the_bots_fault(
    autojump_clock: trio.testing.MockClock,
) -> None:
    telegram = Telegram()
    owner = telegram.world.person("Olga")
    telegram.world.supergroup("Group", creator=owner, username="group", members=[telegram.bot])
    other = telegram.world.supergroup("Other", creator=owner, members=[telegram.bot])
    telegram.faults.add(Fault.flood(7), method="sendMessage", times=1)
    telegram.faults.add(Fault.flood(7), method="answerCallbackQuery", times=1)

    async def send(chat: int | str) -> int:
        reply = await telegram.ask(
            "sendMessage", json.dumps({"chat_id": chat, "text": "hi"}).encode()
        )
        return reply.status

    first = await telegram.ask("sendMessage", b'{"chat_id":"@group","text":"hi"}')
    await trio.sleep(1)
    free = await telegram.ask("answerCallbackQuery", b'{"callback_query_id":"1"}')

    assert first.status == free.status == 429
    assert first.retry_after == 7
    assert await send("@group") == 429
    assert await send(other.id) == 200
    assert [violation.method for violation in telegram.flood.violations] == ["sendMessage"]
    await trio.sleep(6)
    assert await send("@group") == 200


async def test_a_chat_is_the_same_to_limits_and_faults_by_id_and_by_username(
    autojump_clock: trio.testing.MockClock,
) -> None:
    telegram = Telegram(flood=FloodLimits(group=Limit(1, 60.0)))
    owner = telegram.world.person("Olga")
    group = telegram.world.supergroup(
        "Group", creator=owner, username="group", members=[telegram.bot]
    )
    refused = telegram.faults.add(Fault.status(500), method="getChat", chat=group.id)

    by_name = await telegram.ask("sendMessage", b'{"chat_id":"@Group","text":"hi"}')
    by_id = await telegram.ask("sendMessage", b'{"chat_id":%d,"text":"hi"}' % group.id)
    await telegram.ask("getChat", b'{"chat_id":"@group"}')
    unknown = await telegram.ask("getChat", b'{"chat_id":"@nobody"}')

    assert (by_name.status, by_id.status) == (200, 429)
    assert refused.fired == 1
    assert unknown.status == 400
    assert telegram.flood.most_in_window(telegram.bot.id, group.id) == 2


@pytest.mark.parametrize("fault", [Fault.surrogate(), Fault.malformed()], ids=["text", "type"])
async def test_an_update_of_a_batch_is_spoilt_but_not_an_empty_answer(
    telegram: Telegram, ask: Any, group: Chat, fault: Fault
) -> None:
    rule = telegram.faults.add(fault, method="getUpdates", times=1)
    telegram.outlet().queue.clear()
    empty = await ask("getUpdates")
    assert rule.fired == 0
    ann = telegram.world.person("Ann")
    ann.join(group, via=telegram.world.new_link(group, ann))
    telegram.outlet().queue.clear()
    telegram.inject("message", {"date": 1, "text": "hi"})
    telegram.inject("chat_member", {"chat": {"id": 1, "title": "Group"}})
    telegram.inject("my_chat_member", {"id": 1, "first_name": "Ann"})

    spoilt = json.loads((await ask("getUpdates", offset=1)).text)["result"]

    assert empty.json()["result"] == []
    assert rule.fired == 1
    assert len(spoilt) == 3
    assert spoilt[0]["message"] != {"date": 1, "text": "hi"}
    assert spoilt[1]["chat_member"] == {"chat": {"id": 1, "title": "Group"}}


@pytest.mark.parametrize(
    ("payload", "spoilt"),
    [
        ({"text": "hi"}, {"text": "hi\ud83d"}),
        ({"from": {"first_name": "Ann"}}, {"from": {"first_name": "\ud83d"}}),
        ({"chat": {"title": "Group"}}, {"chat": {"title": "\ud83d"}}),
    ],
    ids=["text", "name", "title"],
)
async def test_a_surrogate_stands_where_people_write(
    telegram: Telegram, ask: Any, payload: dict[str, Any], spoilt: dict[str, Any]
) -> None:
    telegram.faults.add(Fault.surrogate(), method="getUpdates")
    telegram.inject("message", payload)

    answer = await ask("getUpdates")

    assert b"\\ud83d" in answer.content
    assert json.loads(answer.text)["result"][0]["message"] == spoilt


async def test_an_update_with_a_surrogate_of_its_own_is_sent_as_it_is(
    telegram: Telegram, ask: Any
) -> None:
    telegram.inject("gossip", {"text": "\ud83d"})

    answer = await ask("getUpdates")

    assert b"\\ud83d" in answer.content

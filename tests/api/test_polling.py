"""Long polling in virtual time: the real client over a server that lives in a list."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, NetworkFailure, Unauthorized
from gmbot.api.limiter import Limiter, Limits
from gmbot.api.polling import BATCH, HEARD, LINGER, POLL_TIMEOUT, Polling
from gmbot.api.records import MalformedUpdate, Record, SourceEvent, SourceRecord
from gmbot.api.source import Received
from gmbot.api.transport import Answer
from gmbot.api.types import ALLOWED_UPDATES, Update

OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)


class Question(msgspec.Struct, frozen=True):
    at: float
    offset: int | None
    params: dict[str, Any]


class Lost:
    """The network fails."""


LOST = Lost()
NO_WEBHOOK = Answer(200, b'{"ok":true,"result":{"url":""}}')  # what is asked first
Trouble = Answer | Lost


def refused(code: int, description: str = "words", **parameters: Any) -> Answer:
    told = {"parameters": parameters} if parameters else {}
    body = {"ok": False, "error_code": code, "description": description, **told}
    return Answer(code, json.dumps(body).encode())


def update(update_id: int, text: str = "hello") -> dict[str, Any]:
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}, "text": text}
    return {"update_id": update_id, "message": message}


class Server:
    """Telegram's queue of updates behind the wire; `troubles` come first, one a call."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.webhook = ""
        self.troubles: list[Trouble] = []
        self.queue: list[dict[str, Any]] = []
        self.hidden: set[int] = set()  # taken by another poller
        self._arrived = trio.Event()
        self._began = trio.current_time()

    def put(self, *updates: dict[str, Any]) -> None:
        self.queue += updates
        self._arrived.set()
        self._arrived = trio.Event()

    @property
    def offsets(self) -> list[int | None]:
        return [question.offset for question in self.questions]

    @property
    def times(self) -> list[float]:
        return [question.at for question in self.questions]

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        params = json.loads(body)
        self.calls.append((method, params))
        if method == "getUpdates":
            at = trio.current_time() - self._began
            self.questions.append(Question(at, params.get("offset"), params))
        await trio.lowlevel.checkpoint()
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Lost):
                raise NetworkFailure(method, "read failed: reset", sent=True)
            return trouble
        return Answer(
            200, json.dumps({"ok": True, "result": await self._do(method, params)}).encode()
        )

    async def _do(self, method: str, params: dict[str, Any]) -> Any:
        if method == "getWebhookInfo":
            return {"url": self.webhook}
        if method == "deleteWebhook":
            self.webhook = ""
            return True
        offset = params.get("offset", 0)
        self.queue = [one for one in self.queue if not self._is_below(one, offset)]
        with trio.move_on_after(params["timeout"]):
            while not self.queue:
                await self._arrived.wait()
        return self.queue[: params["limit"]]

    @staticmethod
    def _is_below(one: dict[str, Any], offset: int) -> bool:
        update_id = one.get("update_id")
        return isinstance(update_id, int) and update_id < offset

    async def aclose(self) -> None:
        pass


class Taker:
    """A sink with `room` for so many; ids in `decided` need no work."""

    def __init__(self) -> None:
        self.room = trio.Semaphore(1000)
        self.decided: set[int] = set()
        self.taken: list[int] = []
        self.texts: list[str | None] = []
        self.at_work: dict[int, Callable[[], None]] = {}
        self.takes_time = True

    def decide(self, update: Update) -> bool:
        return update.update_id in self.decided

    async def accept(self, received: Received, done: Callable[[], None]) -> None:
        await self.room.acquire()
        self.taken.append(received.update.update_id)
        self.texts.append(received.update.message.text if received.update.message else None)
        if self.takes_time:
            self.at_work[received.update.update_id] = done
        else:
            done()

    def finish(self, *update_ids: int) -> None:
        for update_id in update_ids or tuple(self.at_work):
            self.at_work.pop(update_id)()


class Scene:
    """A poller between a server and a taker."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.server = Server()
        self.taker = Taker()
        self.records: list[Record] = []
        self.nursery = nursery
        self.scope = trio.CancelScope()
        self.limiter = Limiter(Limits(messages=0, group_messages=0, calls=0))
        api = BotApi(
            self.server,
            limiter=self.limiter,
            breaker=Breaker("polling", BreakerPolicy(failures=1000)),
            random=Random(1),
            backoff=Backoff(attempts=0),
        )
        self.polling = Polling(api, self.taker, random=Random(1), observe=self.records.append)

    async def start(self) -> None:
        await self.nursery.start(self._run)
        await wait_all_tasks_blocked()

    async def stop(self) -> None:
        self.scope.cancel()
        await wait_all_tasks_blocked()

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.scope:
            await self.polling.run(task_status=task_status)

    @property
    def events(self) -> list[SourceEvent]:
        return [record.event for record in self.records if isinstance(record, SourceRecord)]

    @property
    def malformed(self) -> list[int | None]:
        return [item.update_id for item in self.records if isinstance(item, MalformedUpdate)]


@pytest.fixture
async def scene(nursery: trio.Nursery, autojump_clock: MockClock) -> Scene:
    assert trio.lowlevel.current_clock() is autojump_clock, "the test has to name the clock itself"
    made = Scene(nursery)
    await nursery.start(made.limiter.run)
    return made


async def test_each_question_names_all_it_wants(autojump_clock: MockClock, scene: Scene) -> None:
    scene.server.put(update(7))
    scene.taker.takes_time = False

    await scene.start()

    wanted = {"limit": BATCH, "timeout": POLL_TIMEOUT, "allowed_updates": list(ALLOWED_UPDATES)}
    assert [question.params for question in scene.server.questions] == [
        wanted,
        {"offset": 8, **wanted},
    ]
    assert "chat_member" in ALLOWED_UPDATES


async def test_updates_are_handed_over_in_order_and_each_once(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 260)))
    scene.taker.takes_time = False

    await scene.start()

    assert scene.taker.taken == list(range(10, 260))
    assert scene.server.offsets == [None, 110, 210, 260]


async def test_what_memory_decides_is_not_handed_over_and_is_done(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 20)))
    scene.taker.decided = set(range(10, 20)) - {15}

    await scene.start()
    scene.taker.finish()
    await wait_all_tasks_blocked()

    assert scene.taker.taken == [15]
    assert scene.server.offsets == [None, 20]


async def test_no_question_while_the_taker_has_no_room(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 13)))
    scene.taker.room = trio.Semaphore(2)

    await scene.start()
    scene.taker.finish()
    await trio.sleep(600)
    assert scene.taker.taken == [10, 11]
    assert scene.server.offsets == [None]

    scene.taker.room.release()
    await wait_all_tasks_blocked()
    assert scene.taker.taken == [10, 11, 12]
    await trio.sleep(LINGER)
    await wait_all_tasks_blocked()
    assert scene.server.offsets == [None, 12]


async def test_no_question_with_an_offset_that_has_not_moved(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 13)))

    await scene.start()
    scene.taker.finish(11, 12)
    scene.server.put(update(13))
    await trio.sleep(600)

    assert scene.server.offsets == [None]
    scene.taker.finish(10)
    await wait_all_tasks_blocked()
    assert scene.server.offsets == [None, 13]
    assert scene.taker.taken == [10, 11, 12, 13]


async def test_a_batch_that_is_done_at_once_is_followed_at_once(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 13)))

    await scene.start()
    await trio.sleep(LINGER / 2)
    scene.taker.finish()
    await wait_all_tasks_blocked()

    assert scene.server.offsets == [None, 13]
    assert scene.server.times[1] == LINGER / 2


async def test_a_slow_update_delays_the_next_question_a_little_and_then_no_more(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 13)))

    await scene.start()
    scene.taker.finish(10, 12)
    scene.server.put(update(13))
    await trio.sleep(LINGER)
    await wait_all_tasks_blocked()

    assert scene.server.offsets == [None, 11]
    assert scene.server.times[1] == LINGER
    assert scene.taker.taken == [10, 11, 12, 13]


async def test_where_another_poller_took_what_is_in_hand_here_nothing_spins(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(update(10), update(11))
    await scene.start()
    scene.taker.finish(10)
    await trio.sleep(LINGER / 2)
    scene.server.queue = [update(12), update(13)]  # the other one has confirmed 11

    await trio.sleep(600)

    assert scene.server.offsets == [None, 11]
    assert scene.taker.taken == [10, 11, 12, 13]
    scene.taker.finish()
    await wait_all_tasks_blocked()
    assert scene.server.offsets == [None, 11, 14]


async def test_ids_may_start_anew(autojump_clock: MockClock, scene: Scene) -> None:
    scene.taker.takes_time = False
    scene.server.put(update(1_000_000))
    await scene.start()

    scene.server.put(update(500), update(501))
    await wait_all_tasks_blocked()

    assert scene.taker.taken == [1_000_000, 500, 501]
    assert scene.server.offsets == [None, 1_000_001, 502]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(refused(500, "Internal Server Error: restart"), id="500"),
        pytest.param(Answer(502, b"<html></html>"), id="html"),
        pytest.param(Answer(200, b""), id="empty"),
        pytest.param(Answer(200, b'{"ok":true,"result":[{"upd'), id="cut"),
        pytest.param(Answer(200, b'{"ok":true,"result":5}'), id="no list"),
        pytest.param(refused(400, "Bad Request: something new"), id="400"),
        pytest.param(LOST, id="network"),
    ],
)
async def test_after_a_failure_it_rests_longer_each_time_and_says_so_once(
    autojump_clock: MockClock, scene: Scene, trouble: Trouble
) -> None:
    scene.server.troubles = [NO_WEBHOOK, *[trouble] * 8]

    await scene.start()
    await trio.sleep(121 + 8 * 0.25)

    rests = [b - a for a, b in zip(scene.server.times, scene.server.times[1:], strict=False)]
    assert rests[:8] == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], abs=0.25)
    assert rests[:8] != [1, 2, 4, 8, 16, 30, 30, 30]
    assert scene.events == [SourceEvent.STARTED, SourceEvent.FAILING, SourceEvent.RESUMED]


async def test_a_short_question_tells_soon_that_all_is_well_again(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.troubles = [NO_WEBHOOK, LOST]

    await scene.start()
    await trio.sleep(1.25)

    timeouts = [question.params["timeout"] for question in scene.server.questions]
    assert timeouts == [POLL_TIMEOUT, 0, POLL_TIMEOUT]
    assert scene.events == [SourceEvent.STARTED, SourceEvent.FAILING, SourceEvent.RESUMED]


async def test_after_it_has_recovered_the_rests_begin_small_again(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.troubles = [NO_WEBHOOK, *[LOST] * 3, Answer(200, b'{"ok":true,"result":[]}'), LOST]

    await scene.start()
    await trio.sleep(60)

    rests = [b - a for a, b in zip(scene.server.times, scene.server.times[1:], strict=False)]
    assert rests[:5] == pytest.approx([1, 2, 4, 0, 1], abs=0.25)
    assert scene.events == [SourceEvent.STARTED, *[SourceEvent.FAILING, SourceEvent.RESUMED] * 2]


@pytest.mark.parametrize("words", [OTHER_POLLER, WEBHOOK_ACTIVE])
async def test_a_conflict_is_said_once_and_waited_out(
    autojump_clock: MockClock, scene: Scene, words: str
) -> None:
    scene.server.webhook = "https://example.org/hook"
    scene.server.troubles = [NO_WEBHOOK, *[refused(409, words)] * 5]
    scene.taker.takes_time = False

    await scene.start()
    scene.server.put(update(5))
    await trio.sleep(31 + 5 * 0.25)

    assert scene.events == [SourceEvent.STARTED, SourceEvent.CONFLICT, SourceEvent.RESUMED]
    detail = [item.detail for item in scene.records if isinstance(item, SourceRecord)][1]
    assert detail == f"409 {words}"
    assert scene.taker.taken == [5]
    rests = [b - a for a, b in zip(scene.server.times, scene.server.times[1:], strict=False)]
    assert rests[:5] == pytest.approx([1, 2, 4, 8, 16], abs=0.25)
    assert scene.server.webhook, "a webhook set later is somebody's decision"
    assert [name for name, _ in scene.server.calls].count("deleteWebhook") == 0


async def test_another_kind_of_trouble_is_said_too(autojump_clock: MockClock, scene: Scene) -> None:
    scene.server.troubles = [NO_WEBHOOK, LOST, LOST, refused(409, OTHER_POLLER), LOST]

    await scene.start()
    await trio.sleep(20)

    assert scene.events == [
        SourceEvent.STARTED,
        SourceEvent.FAILING,
        SourceEvent.CONFLICT,
        SourceEvent.FAILING,
        SourceEvent.RESUMED,
    ]


async def test_a_429_waits_as_told(autojump_clock: MockClock, scene: Scene) -> None:
    floods = [refused(429, retry_after=17), refused(429, retry_after=3)]
    scene.server.troubles = [NO_WEBHOOK, *floods]

    await scene.start()
    await trio.sleep(25)

    assert scene.server.times[:3] == [0.0, 17.0, 20.0]
    assert scene.events == [SourceEvent.STARTED, SourceEvent.FAILING, SourceEvent.RESUMED]


async def test_a_webhook_is_deleted_at_the_start_and_what_waits_is_kept(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.webhook = "https://example.org/hook"
    scene.server.put(update(5))

    await scene.start()

    assert scene.server.calls[:2] == [
        ("getWebhookInfo", {}),
        ("deleteWebhook", {"drop_pending_updates": False}),
    ]
    assert scene.events == [SourceEvent.WEBHOOK_DELETED, SourceEvent.STARTED]
    assert scene.taker.taken == [5]


async def test_without_a_webhook_none_is_deleted(autojump_clock: MockClock, scene: Scene) -> None:
    await scene.start()

    assert [name for name, _ in scene.server.calls] == ["getWebhookInfo", "getUpdates"]
    assert scene.events == [SourceEvent.STARTED]


async def test_trouble_at_the_start_is_waited_out(autojump_clock: MockClock, scene: Scene) -> None:
    scene.server.webhook = "https://example.org/hook"
    scene.server.troubles = [LOST, refused(500), Answer(502, b"<html></html>")]
    began = trio.current_time()

    await scene.start()

    assert trio.current_time() - began == pytest.approx(7, abs=0.75)
    assert scene.events == [
        SourceEvent.FAILING,
        SourceEvent.WEBHOOK_DELETED,
        SourceEvent.RESUMED,
        SourceEvent.STARTED,
    ]


@pytest.mark.parametrize("good_calls", [0, 1, 2], ids=["at the start", "at once", "later"])
@pytest.mark.parametrize("refusal", [refused(401, "Unauthorized"), refused(404, "Not Found")])
async def test_a_token_that_is_refused_ends_it(
    autojump_clock: MockClock, scene: Scene, good_calls: int, refusal: Answer
) -> None:
    none = Answer(200, b'{"ok":true,"result":[]}')
    scene.server.troubles = [*[NO_WEBHOOK, none][:good_calls], refusal]

    with pytest.raises(Unauthorized):
        await scene.polling.run()


async def test_a_malformed_update_costs_only_itself_and_is_confirmed(
    autojump_clock: MockClock, scene: Scene
) -> None:
    broken = {"update_id": 11, "message": {"message_id": "eleven"}}
    scene.server.put(update(10), broken, update(12), {"update_id": 13, "new_kind": {"a": 1}})
    scene.taker.takes_time = False

    await scene.start()

    assert scene.malformed == [11]
    assert scene.taker.taken == [10, 12, 13]
    assert scene.server.offsets == [None, 14]


async def test_a_malformed_update_that_comes_again_is_told_once(
    autojump_clock: MockClock, scene: Scene
) -> None:
    broken = {"update_id": 12, "message": 5}
    scene.server.put(update(10), update(11), broken)

    await scene.start()
    scene.taker.finish(10)
    await trio.sleep(1)

    assert scene.server.offsets == [None, 11]
    assert scene.malformed == [12]


async def test_malformed_updates_alone_are_confirmed(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put({"update_id": 10, "message": 5}, {"update_id": 11, "callback_query": []})

    await scene.start()

    assert scene.malformed == [10, 11]
    assert scene.server.offsets == [None, 12]


async def test_an_update_without_an_id_among_others_is_confirmed_with_them(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(update(10), {"message": 5}, update(12))
    scene.taker.takes_time = False
    await scene.start()
    scene.server.queue.clear()

    assert scene.taker.taken == [10, 12]
    assert scene.malformed[0] is None


async def test_updates_without_ids_alone_do_not_spin(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put({"message": 5}, {"update_id": "x"})
    scene.taker.takes_time = False
    await scene.start()

    await trio.sleep(100)
    assert len(scene.server.questions) == 8
    assert scene.events == [SourceEvent.STARTED, SourceEvent.FAILING]

    scene.server.put(update(10))
    await trio.sleep(40)
    assert scene.taker.taken == [10]
    assert scene.events[2] is SourceEvent.RESUMED


async def test_one_surrogate_among_a_hundred_updates_costs_one_character(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*(update(i, "half \ud83d" if i == 40 else f"text {i}") for i in range(100)))
    scene.taker.takes_time = False

    await scene.start()

    assert scene.taker.texts[40] == "half ?"
    assert [text for i, text in enumerate(scene.taker.texts) if i != 40] == [
        f"text {i}" for i in range(100) if i != 40
    ]
    assert scene.malformed == []


async def test_a_stop_tells_what_is_done_with_a_last_short_question(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(*map(update, range(10, 14)))
    await scene.start()
    await scene.stop()
    scene.taker.finish(10, 11, 13)

    await scene.polling.confirm()

    assert scene.server.questions[-1].params == {
        "offset": 12,
        "limit": 1,
        "timeout": 0,
        "allowed_updates": list(ALLOWED_UPDATES),
    }
    assert [one["update_id"] for one in scene.server.queue] == [12, 13]
    assert scene.taker.taken == [10, 11, 12, 13]  # what the last answer held was not handed over


async def test_a_stop_in_the_middle_of_a_batch_confirms_nothing_that_was_not_handed_over(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.taker.room = trio.Semaphore(2)
    scene.server.put(*map(update, range(10, 14)))
    await scene.start()
    await scene.stop()
    scene.taker.finish()

    await scene.polling.confirm()

    assert scene.server.offsets == [None, 12]


async def test_a_stop_before_anything_moved_asks_nothing(
    autojump_clock: MockClock, scene: Scene
) -> None:
    await scene.start()
    await scene.stop()
    await scene.polling.confirm()
    assert scene.server.offsets == [None]


async def test_a_stop_while_the_server_is_waiting_does_not_ask_the_same_again(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.taker.takes_time = False
    scene.server.put(update(10))
    await scene.start()
    assert scene.server.offsets == [None, 11]  # and this one waits: 10 is confirmed by it
    await scene.stop()
    await scene.polling.confirm()

    assert scene.server.offsets == [None, 11]


async def test_a_stop_waits_until_a_question_just_asked_has_reached_the_server(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.taker.takes_time = False
    scene.server.put(update(10))
    await scene.start()
    began = trio.current_time()

    await scene.polling.wait_heard()
    assert trio.current_time() - began == pytest.approx(HEARD)
    await scene.polling.wait_heard()

    assert trio.current_time() - began == pytest.approx(HEARD)


async def test_a_stop_under_load_waits_no_longer_than_a_second(
    autojump_clock: MockClock, scene: Scene, nursery: trio.Nursery
) -> None:
    async def chatter() -> None:
        for number in range(10, 100):
            scene.server.put(update(number))
            await trio.sleep(HEARD / 2)

    scene.taker.takes_time = False
    await scene.start()
    nursery.start_soon(chatter)
    began = trio.current_time()

    await scene.polling.wait_heard()

    assert trio.current_time() - began == pytest.approx(2 * HEARD)


async def test_a_stop_after_a_question_that_failed_asks_again(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.server.put(update(10))
    await scene.start()
    scene.server.troubles = [LOST]
    scene.taker.finish()
    await wait_all_tasks_blocked()
    await scene.stop()

    await scene.polling.confirm()
    await scene.polling.confirm()

    assert scene.server.offsets == [None, 11, 11]
    assert scene.server.queue == []


async def test_a_last_question_that_fails_says_so(autojump_clock: MockClock, scene: Scene) -> None:
    scene.server.put(update(10))
    await scene.start()
    await scene.stop()
    scene.taker.finish()
    scene.server.troubles = [LOST]

    with pytest.raises(ApiError):
        await scene.polling.confirm()

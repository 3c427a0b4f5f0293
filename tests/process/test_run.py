import signal
import sqlite3
from pathlib import Path

import pytest
import trio

from gmbot.sandbox.faults import Fault
from gmbot.sandbox.process import BotProcess
from tests.process.support import DEADLINE, Town, ask_sidecar, log_lines, wait_until


@pytest.mark.parametrize("transport", ["httpx", "asks"])
async def test_a_stranger_is_muted_and_released_by_the_button(town: Town, transport: str) -> None:
    async with town.run(HTTP_TRANSPORT=transport) as bot:
        await town.started(bot)
        await town.protect()

        message = town.stranger.write(town.group, "hello")
        await wait_until(lambda: message.deleted and town.notice() is not None)
        assert not town.telegram.world.can_write(town.stranger, town.group)

        # No update tells of it, as where the bot is no admin there: the press has to.
        town.channel.standings[town.stranger.id] = town.channel.standings[town.member.id]
        notice = town.notice()
        assert notice is not None
        press = town.stranger.press(notice, "I have joined")
        await wait_until(lambda: press.answered and town.notice() is None)
        assert "you can write" in press.text
        assert town.telegram.world.can_write(town.stranger, town.group)
    assert town.telegram.outlet().poll.offset_repeats == 0


async def test_a_member_costs_one_look_up_and_then_none(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        looked_up = town.telegram.log.counts["getChatMember"]

        for number in range(20):
            message = town.member.write(town.group, f"hello {number}")
            await wait_until(town.is_confirmed)
            assert not message.deleted

        assert town.telegram.log.counts["getChatMember"] == looked_up + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_0_within_ten_seconds(
    town: Town, number: signal.Signals
) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()

        bot.process.send_signal(number)
        with trio.fail_after(10):
            assert await bot.process.wait() == 0

    assert [line["event"] for line in log_lines(bot)][-1] == "bot_stopped"
    assert town.is_confirmed()


async def test_a_stop_while_the_database_is_locked_at_the_start_exits_0(
    town: Town, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "gmbot.db", isolation_level=None)
    other.execute("CREATE TABLE held (number INTEGER)")
    other.execute("BEGIN EXCLUSIVE")
    async with town.run() as bot:
        await wait_until(lambda: "sidecar_started" in bot.log)

        bot.process.send_signal(signal.SIGTERM)
        with trio.fail_after(10):
            assert await bot.process.wait() == 0

    assert [line["event"] for line in log_lines(bot)][-1] == "bot_stopped"
    other.close()


async def test_a_stop_while_a_call_hangs_stores_its_update_for_the_next_run(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        hang = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
        town.stranger.write(town.group, "hello")
        await wait_until(lambda: hang.fired > 0)

        bot.process.send_signal(signal.SIGTERM)
        with trio.fail_after(10):
            assert await bot.process.wait() == 0
    town.telegram.faults.clear()
    assert town.telegram.world.can_write(town.stranger, town.group)

    async with town.run():
        await wait_until(lambda: not town.telegram.world.can_write(town.stranger, town.group))


async def test_nothing_is_lost_by_kill_9(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        town.telegram.faults.add(Fault.slow(0.2), method="restrictChatMember")
        strangers = [town.telegram.world.person(f"S{n}") for n in range(30)]
        for stranger in strangers:
            town.owner.add(town.group, stranger)
        messages = [stranger.write(town.group, "hello") for stranger in strangers]
        await wait_until(lambda: town.telegram.log.counts["restrictChatMember"] > 5)
        bot.process.kill()
        await bot.process.wait()
    town.telegram.faults.clear()

    async with town.run():
        await wait_until(lambda: all(message.deleted for message in messages))
        await wait_until(
            lambda: not any(town.telegram.world.can_write(s, town.group) for s in strangers)
        )


async def test_the_sidecar_tells_how_the_bot_is(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()

        live = await ask_sidecar(bot, "/live")
        ready = await ask_sidecar(bot, "/ready")
        assert (live.status_code, live.json()) == (200, {"alive": True})
        assert (ready.status_code, ready.json()) == (200, {"ready": True})
        with trio.fail_after(DEADLINE):
            while (health := await ask_sidecar(bot, "/health")).json()["status"] != "ok":  # noqa: ASYNC110 - asked over HTTP
                await trio.sleep(0.05)
        assert set(health.json()) == {"status", "checks", "uptime"}

        town.member.write(town.group, "hello")
        await wait_until(town.is_confirmed)
        metrics = (await ask_sidecar(bot, "/metrics")).text
        assert 'bot_verifications_total{status="member"} 1.0' in metrics
        restricted = town.telegram.log.counts["sendMessage"]
        assert f'bot_api_calls_total{{method="sendMessage"}} {restricted}.0' in metrics


async def test_a_bot_that_cannot_reach_telegram_is_live_but_not_ready_and_stops_at_once(
    town: Town,
) -> None:
    town.telegram.faults.add(Fault.status(502, html=True))
    async with town.run() as bot:
        await wait_until(lambda: "telegram_unreachable" in bot.log)

        assert (await ask_sidecar(bot, "/live")).status_code == 200
        assert (await ask_sidecar(bot, "/ready")).status_code == 503
        health = await ask_sidecar(bot, "/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")

        bot.process.send_signal(signal.SIGTERM)
        with trio.fail_after(5):
            assert await bot.process.wait() == 0


async def test_junk_among_the_updates_costs_only_itself(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        town.telegram.inject("message", {"message_id": "junk"})
        town.telegram.inject("a_kind_of_tomorrow", {"id": 2**63})
        town.telegram.inject("message", {"message_id": 1, "date": 0, "chat": {"id": 2**62}})

        message = town.stranger.write(town.group, "hello")
        await wait_until(lambda: message.deleted)
        await wait_until(town.is_confirmed)

    malformed = [line for line in log_lines(bot) if line["event"] == "update_malformed"]
    assert malformed
    assert all(line["update_id"] for line in malformed)


async def test_an_unpaired_surrogate_among_the_updates_costs_nothing(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        town.telegram.faults.add(Fault.surrogate(), method="getUpdates", times=1)

        message = town.stranger.write(town.group, "hello")
        await wait_until(lambda: message.deleted)
        await wait_until(town.is_confirmed)


async def test_a_webhook_that_was_set_is_deleted_at_the_start_and_loses_no_update(
    town: Town,
) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
    town.telegram.outlet().settings.set({"url": "http://127.0.0.1:9/nobody"})
    message = town.stranger.write(town.group, "hello")

    async with town.run() as bot:
        await wait_until(lambda: message.deleted)

    assert "webhook_deleted" in bot.log
    drops = [c.params.get("drop_pending_updates") for c in town.telegram.calls_of("deleteWebhook")]
    assert drops == [False]


async def test_a_token_refused_while_running_ends_with_status_1(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        town.telegram.faults.add(Fault.status(401, description="Unauthorized"))
        town.owner.write(town.group, "hello")  # ends the long poll that waits
        with trio.fail_after(DEADLINE):
            assert await bot.process.wait() == 1
    assert "Telegram refuses BOT_TOKEN" in bot.log.splitlines()[-1]


async def test_a_database_that_is_away_is_told_once_and_why_and_shows_in_health(
    town: Town, tmp_path: Path
) -> None:
    async with town.run() as bot:
        await town.started(bot)
        other = sqlite3.connect(tmp_path / "gmbot.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await wait_until(lambda: "database_lost" in bot.log)
        assert (await ask_sidecar(bot, "/live")).status_code == 200
        assert (await ask_sidecar(bot, "/health")).status_code == 503
        other.execute("ROLLBACK")
        other.close()
        await wait_until(lambda: "database_regained" in bot.log)
        assert (await ask_sidecar(bot, "/health")).status_code == 200

    (lost,) = [line for line in log_lines(bot) if line["event"] == "database_lost"]
    assert "is locked by another process" in lost["reason"]


async def test_a_database_that_fails_in_the_middle_is_waited_for(
    town: Town, tmp_path: Path
) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        other = sqlite3.connect(tmp_path / "gmbot.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        message = town.stranger.write(town.group, "hello")
        await wait_until(lambda: "breaker_opened" in bot.log or "flow_failed" in bot.log)
        assert not message.deleted
        assert town.telegram.world.can_write(town.stranger, town.group)
        other.execute("ROLLBACK")
        other.close()

        await wait_until(lambda: message.deleted, deadline=150)


async def test_a_second_signal_stops_at_once(town: Town) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        hang = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
        town.stranger.write(town.group, "hello")
        await wait_until(lambda: hang.fired > 0)

        bot.process.send_signal(signal.SIGTERM)
        await wait_until(lambda: "bot_stopping" in bot.log)
        bot.process.send_signal(signal.SIGTERM)
        with trio.fail_after(4):  # the flow that hangs would have 5 s
            assert await bot.process.wait() == 0


@pytest.mark.parametrize(
    ("method", "open_one", "closed_one"),
    [("getChatMember", "api", "polling"), ("getUpdates", "polling", "api")],
)
async def test_long_polling_and_other_calls_have_breakers_of_their_own(
    town: Town, method: str, open_one: str, closed_one: str
) -> None:
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()
        town.telegram.faults.add(Fault.status(502, html=True), method=method)
        for number in range(6):
            guest = town.telegram.world.person(f"Guest {number}")
            town.owner.add(town.group, guest)
            guest.write(town.group, "hello")

        with trio.fail_after(DEADLINE):
            while 'state="open"} 1.0' not in breaker(await metrics_of(bot), open_one):  # noqa: ASYNC110 - asked over HTTP
                await trio.sleep(0.05)

        assert 'state="closed"} 1.0' in breaker(await metrics_of(bot), closed_one)


async def metrics_of(bot: BotProcess) -> str:
    return (await ask_sidecar(bot, "/metrics")).text


def breaker(metrics: str, name: str) -> str:
    return "\n".join(
        line for line in metrics.splitlines() if f'breaker_state{{name="{name}"' in line
    )


async def test_ids_of_64_bits_go_all_the_way(town: Town) -> None:
    world = town.telegram.world
    big = world.person("Big", account_id=2**62 + 12345)
    town.owner.add(town.group, big)
    async with town.run() as bot:
        await town.started(bot)
        await town.protect()

        message = big.write(town.group, "hello")
        await wait_until(lambda: message.deleted and not world.can_write(big, town.group))
        await wait_until(lambda: town.notice() is not None)
        big.join(town.channel)
        await wait_until(lambda: world.can_write(big, town.group))

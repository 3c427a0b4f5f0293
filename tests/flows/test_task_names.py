"""What a reader of a nursery trace sees: each task is named after its update and flow, or its job."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.guard.town import Town

Tell = Callable[[Town], object]


class Names(trio.abc.Instrument):
    """Remembers what the tasks that were spawned are called."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.seen.append(task.name)


@pytest.fixture
async def spawned() -> AsyncIterator[list[str]]:
    names = Names()
    trio.lowlevel.add_instrument(names)
    yield names.seen
    trio.lowlevel.remove_instrument(names)


def _post_an_edit(town: Town) -> None:
    message = next(m for m in town.group.messages.values() if m.text == "Hello")
    town.max.leave(town.channel)
    town.max.edit(message, "Hello again")


def _ask_to_be_let_in(town: Town) -> None:
    town.channel.username = None
    town.sue.request_join(town.channel, via=town.anna.link(town.channel, creates_join_request=True))


def _press_what_is_forged(data: str) -> Tell:
    return lambda town: town.sue.press_data(town.notice, data)


@pytest.mark.parametrize(
    ("flow", "tell"),
    [
        ("message", lambda town: town.tim.write(town.group, "Hello")),
        ("message", _post_an_edit),
        ("protect", lambda town: town.anna.command(town.group, "/protect @news_0")),
        ("unprotect", lambda town: town.anna.command(town.group, "/unprotect @news_0")),
        ("status", lambda town: town.anna.command(town.group, "/status")),
        ("recheck", lambda town: town.anna.command(town.group, "/recheck")),
        ("settings", lambda town: town.anna.command(town.group, "/settings")),
        ("help", lambda town: town.tim.command(town.telegram.bot, "/help")),
        ("start", lambda town: town.tim.start(town.telegram.bot)),
        ("verify", _press_what_is_forged("verify")),
        ("settings", _press_what_is_forged("set:warnings:3")),
        ("join", lambda town: town.anna.add(town.group, town.world.person("Eve"))),
        ("leave", lambda town: town.max.leave(town.channel)),
        ("enter", lambda town: town.sue.join(town.channel)),
        ("request", _ask_to_be_let_in),
        ("decision", lambda town: town.anna.lift(town.group, town.sue)),
        ("rights", lambda town: town.anna.demote(town.group, town.telegram.bot)),
        ("sight", lambda town: town.anna.demote(town.channel, town.telegram.bot)),
    ],
)
async def test_a_flows_task_bears_its_update_and_its_name_and_so_do_its_log_lines(
    autojump_clock: MockClock, town: Town, logs: Any, spawned: list[str], flow: str, tell: Tell
) -> None:
    town.max.write(town.group, "Hello")
    town.sue.write(town.group, "Buy!")
    await trio.sleep(15)
    earlier = set(town.telegram.outlet().queue.history)
    spawned.clear()
    logs.clear()
    tell(town)
    await trio.sleep(60)
    updates = set(town.telegram.outlet().queue.history) - earlier

    assert {f"update {number} {flow}" for number in updates} & set(spawned)
    told = {(e["update_id"], e["flow"]) for e in logs if "flow" in e}
    assert {f"update {number} {name}" for number, name in told} <= set(spawned)
    assert not [name for name in spawned if name.startswith("gmbot.")]  # none is left nameless


async def test_a_jobs_task_bears_its_kind_and_what_it_is_about(
    autojump_clock: MockClock, town: Town, logs: Any, spawned: list[str]
) -> None:
    town.anna.command(town.group, "/recheck")
    await trio.sleep(15)

    assert f"job recheck_commanded {town.group.id}" in spawned
    told = {(e["job"], e["key"]) for e in logs if "job" in e}
    assert ("recheck_commanded", str(town.group.id)) in told

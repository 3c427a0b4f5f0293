"""A short story: the real bot guards a group of the simulated Telegram, told as a chat.

Each step does what people do, waits until what should follow is seen, and says how long that took.
"""

import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import trio

from gmbot.sandbox.chats import Message, Press
from gmbot.sandbox.journal import Entry
from gmbot.sandbox.people import Person
from gmbot.sandbox.process import BotProcess, environment, run_bot
from gmbot.sandbox.telegram import Telegram

PATIENCE = 15.0  # seconds for a step; with the limits on, the slowest takes a few
LOOK_EVERY = 0.005  # seconds between two looks whether a step is done

Say = Callable[[str], None]
_print: Say = partial(print, flush=True)


async def tell(*, stay: bool = False, say: Say = _print) -> bool:
    """Tell the story; return whether each step showed what it should."""
    async with trio.open_nursery() as nursery:
        telegram = Telegram()
        await nursery.start(telegram.serve)
        with tempfile.TemporaryDirectory(prefix="gmbot-sandbox-") as directory:
            # Nobody is to wait for the limit of 20 messages a minute; Telegram's own still judges.
            environ = environment(telegram, Path(directory), RATE_GROUP_MESSAGES="0")
            async with run_bot(telegram, Path(directory), environ) as bot:
                story = Story(telegram, bot, say)
                went_well = await story.tell()
                if stay:
                    await _stay(telegram, directory, say)
        nursery.cancel_scope.cancel()
    return went_well


async def _stay(telegram: Telegram, directory: str, say: Say) -> None:
    """Keep both running until Ctrl+C or SIGTERM."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        say(f"\nBoth keep running. The simulated Bot API is at {telegram.base_url},")
        say(f"the bot's log and database are in {directory}. Press Ctrl+C to end.")
        async for _ in signals:
            return


class NotShown(Exception):
    """A step did not show what it should; the text says why."""


class Story:
    """Who takes part, and what happens."""

    def __init__(self, telegram: Telegram, bot: BotProcess, say: Say) -> None:
        self._telegram = telegram
        self._process = bot
        self._say = say
        self._told = 0
        self._well = True
        world = self._world = telegram.world
        self.anna = world.person("Anna")
        self.mia = world.person("Mia")
        self.bob = world.person("Bob")
        self.eve = world.person("Eve")
        self.group = world.supergroup(
            "Garden friends",
            username="garden_friends",
            creator=self.anna,
            members=[self.bob],
            admins=[self.mia, telegram.bot],
        )
        self.channel = world.channel(
            "Garden news", username="garden_news", creator=self.anna, admins=[telegram.bot]
        )
        self._told = world.journal.total

    async def tell(self) -> bool:
        """Play all steps; return whether each showed what it should."""
        self._say(
            "The real bot, against a simulated Telegram. In [brackets] is what the bot did.\n"
        )
        steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("The bot starts", self._start),
            ("An admin protects the group", self._protect),
            (
                "A stranger writes: muted, the message deleted, a notice in its place",
                self._stranger,
            ),
            ("Pressing without having joined changes nothing", self._press_too_early),
            ("Joining the channel releases, and the notice goes", self._join_the_channel),
            ("Who is in the channel writes freely", self._write_freely),
            ("A moderator is left alone, in the channel or not", self._moderator),
            ("Somebody joins the group: muted at once, and welcomed", self._newcomer),
            ("The button releases, too, should Telegram not tell of the joining", self._press_late),
            ("Leaving the channel mutes again", self._leave_the_channel),
            ("A moderator lifts a mute, and that stands", self._pardon),
            ("An admin asks how things stand", self._status),
            ("The bot loses a right: it says so, and acts no more", self._lose_a_right),
            ("With the right back it goes on", self._regain_the_right),
            ("The group needs the channel no more: everybody is released", self._unprotect),
        ]
        for title, step in steps:
            self._well = await self._play(title, step) and self._well
        for misdeed in self._misdeeds():
            self._well = False
            self._say(f"   ✗ {misdeed}")
        self._say("All as it should be." if self._well else "Not as it should be.")
        return self._well

    async def _play(self, title: str, step: Callable[[], Awaitable[None]]) -> bool:
        self._say(title)
        began = trio.current_time()
        try:
            with trio.fail_after(PATIENCE):
                await step()
            verdict = f"   ✓ {(trio.current_time() - began) * 1000:.0f} ms"
        except trio.TooSlowError:
            verdict = f"   ✗ not seen within {PATIENCE:.0f} s"
        except NotShown as error:
            verdict = f"   ✗ {error}"
        self._tell_journal()
        self._say(f"{verdict}\n")
        return "✓" in verdict

    async def _start(self) -> None:
        await self._until(lambda: self._telegram.log.counts["getWebhookInfo"] > 0)

    async def _protect(self) -> None:
        self.anna.command(self.group, "/protect @garden_news")
        await self._until(lambda: any("protected" in text for text in self.group.texts()))

    async def _stranger(self) -> None:
        message = self.bob.write(self.group, "Buy my seeds! 🌱")
        began = trio.current_time()
        await self._until(
            lambda: message.deleted and not self._world.can_write(self.bob, self.group)
        )
        self._tell_journal()
        self._say(f"   ✓ muted and deleted after {(trio.current_time() - began) * 1000:.0f} ms")
        await self._until(lambda: self._notice() is not None)

    async def _press_too_early(self) -> None:
        press = await self._press(self.bob)
        await self._until(lambda: press.answered and press.show_alert)
        await self._until(lambda: not self._world.can_write(self.bob, self.group))

    async def _join_the_channel(self) -> None:
        self.bob.join(self.channel)
        await self._until(
            lambda: self._world.can_write(self.bob, self.group) and self._notice() is None
        )

    async def _write_freely(self) -> None:
        await self._left_alone(lambda: self.bob.write(self.group, "Hello everybody!"))

    async def _moderator(self) -> None:
        await self._left_alone(lambda: self.mia.write(self.group, "Welcome, Bob."))
        await self._until(lambda: self._world.can_write(self.mia, self.group))

    async def _newcomer(self) -> None:
        self.eve.join(self.group)
        await self._until(lambda: not self._world.can_write(self.eve, self.group))
        await self._until(lambda: self._notice() is not None)

    async def _press_late(self) -> None:
        # In the channel without an update of it, as when the bot was no admin there.
        self.channel.standings[self.eve.id] = self.channel.standings[self.bob.id]
        press = await self._press(self.eve)
        await self._until(
            lambda: (
                press.answered
                and not press.show_alert
                and self._world.can_write(self.eve, self.group)
                and self._notice() is None
            )
        )

    async def _leave_the_channel(self) -> None:
        for person in (self.bob, self.eve):
            person.leave(self.channel)
        await self._until(
            lambda: not any(self._world.can_write(p, self.group) for p in (self.bob, self.eve))
        )
        await self._until(lambda: self._notice() is not None)

    async def _pardon(self) -> None:
        self.mia.lift(self.group, self.eve)
        await self._until(lambda: self._is_all_confirmed)
        await self._left_alone(lambda: self.eve.write(self.group, "Thank you, Mia."))

    async def _status(self) -> None:
        await self._answered(lambda: self.anna.command(self.group, "/status"))

    async def _lose_a_right(self) -> None:
        await self._answered(
            lambda: self.anna.promote(self.group, self._telegram.bot, can_delete_messages=True)
        )

    async def _regain_the_right(self) -> None:
        self.anna.promote(self.group, self._telegram.bot)
        await self._until(lambda: self._is_all_confirmed)

    async def _unprotect(self) -> None:
        self.anna.command(self.group, "/unprotect @garden_news")
        await self._until(lambda: self._world.can_write(self.bob, self.group))

    async def _answered(self, do: Callable[[], object]) -> None:
        """Do something, and wait until the bot has said something in the group."""
        said = len(self._said())
        do()
        await self._until(lambda: len(self._said()) > said)

    def _said(self) -> list[Message]:
        return [m for m in self.group.visible() if m.sender is self._telegram.bot and not m.markup]

    async def _left_alone(self, write: Callable[[], Message]) -> None:
        deeds = self._world.journal.total + 1
        message = write()
        await self._until(lambda: self._is_all_confirmed)
        await self._until(lambda: not message.deleted and self._world.journal.total == deeds)

    async def _press(self, person: Person) -> Press:
        notice = self._notice()
        if notice is None:
            raise NotShown("there is no notice to press")
        return person.press(notice, "I have joined")

    def _notice(self) -> Message | None:
        notices = [m for m in self.group.visible() if m.sender is self._telegram.bot and m.markup]
        return notices[-1] if notices else None

    @property
    def _is_all_confirmed(self) -> bool:
        """Whether the bot has told Telegram that every update so far is done with."""
        return self._telegram.outlet().queue.pending_count == 0

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._process.process.poll() is not None:
                last_words = "\n   ".join(self._process.log.splitlines()[-10:])
                raise NotShown(f"the bot has ended; its last words:\n   {last_words}")
            await trio.sleep(LOOK_EVERY)

    def _misdeeds(self) -> Iterator[str]:
        """Tell what nobody sees in the chats and still must not be."""
        for violation in self._telegram.violations:
            yield f"{violation.what}: {violation.problem}"
        for early in self._telegram.flood.violations:
            yield f"{early.method}: called {early.until - early.at:.1f} s before it might"
        if repeats := self._telegram.outlet().poll.offset_repeats:
            yield f"getUpdates: asked again for what it had, {repeats} times"

    def _tell_journal(self) -> None:
        for entry in self._world.journal.since(self._told):
            self._say(_line(entry))
        self._told = self._world.journal.total


# How the journal's plainer words read in a story.
_DEEDS = {
    "deleted": "deleted a message of",
    "restricted": "muted",
    "lifted the restriction of": "released",
}


def _line(entry: Entry) -> str:
    who = f"[{entry.who}]" if entry.by_bot else entry.who
    words = " ".join(part for part in (_DEEDS.get(entry.deed, entry.deed), entry.whom) if part)
    text = f": {entry.text}" if entry.text else ""
    line = f"   {entry.chat or 'private':<16}{who:<10}{words}{text}"
    return line.replace("\n", "\n" + " " * 29)

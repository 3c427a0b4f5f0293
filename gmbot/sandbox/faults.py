"""Faults on demand: what a server, a proxy or a network does on a bad day.

A fault waits, answers instead of the server, or spoils the answer after the work was done. It is
added for a method, a chat, both or all, and fires so many times, or until it is removed.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from http.client import responses
from typing import Any

import msgspec
import trio

from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.replies import Reply, failure, page

Spoil = Callable[[Reply], Reply | None]


class Fault(msgspec.Struct, frozen=True):
    """One kind of bad luck; made by its class methods. `delay` is in seconds."""

    name: str
    delay: float = 0.0
    reply: Reply | None = None  # sent instead of doing the work
    spoil: Spoil | None = None  # the work is done; None where it does not apply to this answer

    @classmethod
    def status(cls, code: int, *, html: bool = False, description: str | None = None) -> "Fault":
        """Answer with an error status, as the Bot API does or as a proxy in front of it."""
        title = responses.get(code, "Unknown")
        reply = page(code, title) if html else failure(code, description or title)
        return cls(f"status_{code}", reply=reply)

    @classmethod
    def error(cls, error: TelegramError) -> "Fault":
        """Refuse in Telegram's words."""
        reply = failure(error.code, error.description, error.parameters)
        return cls(f"error_{error.code}", reply=reply)

    @classmethod
    def flood(cls, retry_after: int) -> "Fault":
        """Answer 429."""
        words = f"Too Many Requests: retry after {retry_after}"
        return cls("flood", reply=failure(429, words, {"retry_after": retry_after}))

    @classmethod
    def conflict(cls) -> "Fault":
        """Answer 409, as if another instance polled."""
        return cls("conflict", reply=failure(409, _OTHER_POLLER))

    @classmethod
    def empty(cls, code: int = 200) -> "Fault":
        """Answer with an empty body."""
        return cls("empty", reply=Reply(status=code))

    @classmethod
    def garbage(cls) -> "Fault":
        """Do the work, but answer with something that only starts like JSON."""
        return cls("garbage", spoil=lambda reply: msgspec.structs.replace(reply, body=b'{"ok":tru'))

    @classmethod
    def dropped(cls) -> "Fault":
        """Reset the connection before the work is done."""
        return cls("dropped", reply=Reply(cut=-1))

    @classmethod
    def lost(cls) -> "Fault":
        """Reset the connection after the work was done, before the answer."""
        return cls("lost", spoil=lambda reply: msgspec.structs.replace(reply, cut=-1))

    @classmethod
    def reset(cls) -> "Fault":
        """Reset the connection in the middle of the answer."""
        return cls(
            "reset", spoil=lambda reply: msgspec.structs.replace(reply, cut=len(reply.body) // 2)
        )

    @classmethod
    def slow(cls, seconds: float) -> "Fault":
        """Wait before the work; removing the fault ends the wait."""
        return cls("slow", delay=seconds)

    @classmethod
    def hang(cls) -> "Fault":
        """Do nothing until the fault is removed."""
        return cls("hang", delay=math.inf)

    @classmethod
    def surrogate(cls) -> "Fault":
        """Put an unpaired surrogate into the first update of an answer of getUpdates."""
        return cls("surrogate", spoil=lambda reply: _spoil_update(reply, _break_text))

    @classmethod
    def malformed(cls) -> "Fault":
        """Give one field of the first update of an answer of getUpdates a wrong type."""
        return cls("malformed", spoil=lambda reply: _spoil_update(reply, _break_type))


class Rule:
    """A fault that waits for its calls. `fired` counts them."""

    def __init__(
        self, fault: Fault, method: str | None, chat: int | str | None, times: int | None
    ) -> None:
        self.fault = fault
        self.fired = 0
        self.removed = trio.Event()
        self._method = None if method is None else method.lower()
        self._chat = chat
        self._times = times

    def matches(self, method: str, chat: int | str | None) -> bool:
        """Tell whether it still has to fire, and for this call."""
        return (
            (self._times is None or self.fired < self._times)
            and (self._method is None or self._method == method.lower())
            and (self._chat is None or self._chat == chat)
        )


class Faults:
    """All faults of one server; `fired` counts them by name."""

    def __init__(self) -> None:
        self.fired: Counter[str] = Counter()
        self._rules: list[Rule] = []

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        chat: int | str | None = None,
        times: int | None = None,
    ) -> Rule:
        """Let a fault fire for calls of a method, in a chat; `times` None means until removed."""
        rule = Rule(fault, method, chat, times)
        self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take a fault away; whoever hangs in it goes on."""
        self._rules.remove(rule)
        rule.removed.set()

    def clear(self) -> None:
        """Take all faults away."""
        for rule in list(self._rules):
            self.remove(rule)

    async def wait(self, method: str, chat: int | str | None) -> None:
        """Wait as long as the faults of this call say."""
        for rule in list(self._rules):
            if rule.fault.delay and rule.matches(method, chat):
                self._fire(rule)
                with trio.move_on_after(rule.fault.delay):
                    await rule.removed.wait()

    def answer(self, method: str, chat: int | str | None) -> Reply | None:
        """Return what is answered instead of doing the work, or None."""
        for rule in self._rules:
            if rule.fault.reply is not None and rule.matches(method, chat):
                self._fire(rule)
                return rule.fault.reply
        return None

    def spoil(self, method: str, chat: int | str | None, reply: Reply) -> Reply | None:
        """Return what is left of an answer, or None where no fault touched it."""
        for rule in self._rules:
            if rule.fault.spoil is not None and rule.matches(method, chat):
                spoilt = rule.fault.spoil(reply)
                if spoilt is not None:
                    self._fire(rule)
                    return spoilt
        return None

    def _fire(self, rule: Rule) -> None:
        rule.fired += 1
        self.fired[rule.fault.name] += 1


_OTHER_POLLER = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


def _spoil_update(reply: Reply, change: Callable[[dict[str, Any]], None]) -> Reply | None:
    answer = json.loads(reply.body)
    result = answer.get("result")
    if not (isinstance(result, list) and result and "update_id" in result[0]):
        return None
    change(result[0])
    return msgspec.structs.replace(reply, body=json.dumps(answer).encode())


def _break_text(update: dict[str, Any]) -> None:
    """Spoil a text that people wrote: of the message, else the name of whoever did it."""
    content = _content(update)
    if "text" in content:
        content["text"] += "\ud83d"
    else:
        person = content.get("from") or content.get("chat") or content
        person["first_name" if "first_name" in person else "title"] = "\ud83d"


def _break_type(update: dict[str, Any]) -> None:
    content = _content(update)
    content["date" if "date" in content else "id"] = {"unexpected": []}


def _content(update: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = next(value for key, value in update.items() if key != "update_id")
    return content

"""Kinds of values a setting may have, and how each is read from text.

A parser returns the value or raises WrongError, which says what is wrong and what to do.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

Choice = TypeVar("Choice", bound=StrEnum)


class Secret:
    """A string that does not show itself: not in a log, not in an error, not in a repr."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('********')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    """A database in one file; a relative path counts from the working directory."""

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A PostgreSQL server, as libpq's connection URI."""

    url: Secret


class WrongError(Exception):
    """A value cannot be taken; says what is wrong and what to do, without the value of a secret."""


# An id below 2^54 without a leading zero, a secret of at least 24 base64url characters, 80 in all.
# Source: tdlib/telegram-bot-api, ClientManager.cpp and Client.cpp.
_TOKEN = re.compile(r"[1-9][0-9]{0,15}:[A-Za-z0-9_-]{24,}", re.ASCII)
_TOKEN_LENGTH = 80


def token(text: str) -> Secret:
    """Read a bot token; whether Telegram knows it is another question."""
    if not _TOKEN.fullmatch(text) or len(text) > _TOKEN_LENGTH:
        raise WrongError("is no bot token: copy it whole from @BotFather, like 123456:ABC-DEF…")
    return Secret(text)


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """Make a parser for a closed set of names, in capitals or not."""
    names = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> Choice:
        if text.lower() not in names:
            raise WrongError(f"is {_shown(text)}: use {' or '.join(choices)}")
        return names[text.lower()]

    return parse


_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", re.ASCII)


def amount(text: str) -> float:
    """Read a number of 0 or more."""
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    if math.isinf(number):
        raise WrongError(f"is {_shown(text)}: use a number, 0 or more, like 25 or 0.5")
    return number


_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LAST_PORT = 65535


def bind(text: str) -> Bind:
    """Read host:port, with an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    if not (colon and _PORT.fullmatch(port) and int(port) <= _LAST_PORT):
        raise WrongError(f"is {_shown(text)}: use host:port, like 127.0.0.1:9090 or [::1]:9090")
    try:
        if host.startswith("[") and host.endswith("]"):
            return Bind(str(IPv6Address(host[1:-1])), int(port))
        if re.fullmatch(r"[0-9.]+", host, re.ASCII):
            return Bind(str(IPv4Address(host)), int(port))
    except AddressValueError:
        raise WrongError(f"is {_shown(text)}: that is no IP address") from None
    if not _HOST.fullmatch(host):
        raise WrongError(
            f"is {_shown(text)}: use host:port, with 0.0.0.0 or [::] for every interface"
        )
    return Bind(host, int(port))


_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_ROTATING = 2  # new,old


def webhook_secrets(text: str) -> tuple[Secret, ...]:
    """Read a secret token, or two; the first is the new one."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > _ROTATING or not all(_WEBHOOK_SECRET.fullmatch(part) for part in parts):
        raise WrongError("is no secret: use 1 to 256 of A-Z a-z 0-9 _ -, or two of them as new,old")
    return tuple(map(Secret, parts))


def database(text: str) -> SqliteUrl | PostgresUrl:
    """Read where the truth is kept."""
    if text.startswith("postgresql://"):
        return PostgresUrl(Secret(_one_word(text)))  # several hosts and more: libpq reads it
    scheme, path = text[: len("sqlite:///")], text[len("sqlite:///") :]
    if scheme != "sqlite:///":
        raise WrongError(
            "is no database we know: use sqlite:///file, sqlite:////absolute/file"
            " or postgresql://user:password@host/name"
        )
    if not path or path.endswith("/") or path.startswith(":memory:"):
        raise WrongError("names no file: use sqlite:///file or sqlite:////absolute/file")
    if "?" in path or "\0" in path:
        raise WrongError("has options: use sqlite:///file alone")
    return SqliteUrl(Path(path))


def redis(text: str) -> Secret:
    """Read an address that redis-py understands."""
    parts = _split(text)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise WrongError("is no Redis address: use redis://host:6379/0, rediss://… or unix://…")
    if not (parts.path if parts.scheme == "unix" else _host(parts)):
        raise WrongError("names no server: use redis://host:6379/0 or unix:///path/of/socket")
    return Secret(text)


def api_url(text: str) -> str:
    """Read the base of a Bot API server."""
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not _host(parts):
        raise WrongError("is no server: use an address like https://api.telegram.org")
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise WrongError("has a query, a fragment or a password: use scheme, host and path alone")
    return text.rstrip("/")


# Source: core.telegram.org/bots/api, setWebhook; a server of one's own takes any port, and http.
_WEBHOOK_PORTS = (443, 80, 88, 8443)


def webhook_url_for(*, public: bool) -> Callable[[str], str]:
    """Make a parser for where updates go, from Telegram's own server or from another."""

    def parse(text: str) -> str:
        parts = _split(text)
        if parts.scheme not in ({"https"} if public else {"https", "http"}) or not _host(parts):
            raise WrongError(
                "is no address for Telegram: use https://…"
                " (http:// needs a BOT_API_URL of your own server)"
            )
        if public and (parts.port or 443) not in _WEBHOOK_PORTS:
            raise WrongError("has a port that Telegram does not call: use 443, 80, 88 or 8443")
        return text

    return parse


def dsn(text: str) -> Secret:
    """Read a Sentry DSN."""
    parts = _split(text)
    project = parts.path.rpartition("/")[2]
    if parts.scheme not in {"http", "https"} or not (_host(parts) and parts.username and project):
        raise WrongError("is no DSN: copy it from Sentry, like https://key@host/project")
    return Secret(text)


def is_public(api_url: str) -> bool:
    """Tell whether a Bot API server is Telegram's own."""
    return _host(urlsplit(api_url)) == "api.telegram.org"


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")


def _split(text: str) -> SplitResult:
    """Take an URL apart. Its text is in no error: it may hold a password."""
    try:
        parts = urlsplit(_one_word(text))
        _ = parts.port
    except ValueError:
        raise WrongError("is no address: look at its host and port") from None
    return parts


def _one_word(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise WrongError("has spaces or unprintable characters: write them as %20 and the like")
    return text


_LOGIN = re.compile(r"[^:]+://[^/?#]*?:([^/?#]*)@")


def passwords(url: str) -> set[str]:
    """Find what in an URL is secret on its own, as written and decoded."""
    written = {match[1] for match in [_LOGIN.match(url)] if match}
    written.update(parse_qs(url.partition("?")[2]).get("password", []))
    return {word for text in written for word in (text, unquote(text)) if word}


_SHOWN = 40  # characters


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")

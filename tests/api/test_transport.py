"""What both transports share: choosing one, and reading headers."""

import logging
import subprocess
import sys

import pytest

from gmbot.api.transport import (
    TRANSPORTS,
    TransportMissingError,
    default_ssl_context,
    open_transport,
    retry_after,
)
from gmbot.config import Secret


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("35", 35.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        (None, None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("1_000", None),
        ("٣", None),
        ("5, 6", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_a_plain_number_of_seconds_or_nothing(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value) == seconds


def test_the_names_of_the_transports_are_known_without_loading_their_libraries() -> None:
    program = (
        "import sys; from gmbot.api.transport import TRANSPORTS;"
        "print(*TRANSPORTS, *sorted({'httpx', 'asks', 'h11', 'certifi'} & set(sys.modules)))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert shown.split() == ["httpx", "asks"] == list(TRANSPORTS)


async def test_a_transport_whose_library_is_absent_says_which_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "asks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asks", None)
    monkeypatch.delitem(sys.modules, TRANSPORTS["asks"], raising=False)

    with pytest.raises(TransportMissingError, match=r"'asks' needs the package 'asks'"):
        async with open_transport(
            "asks", base_url="http://127.0.0.1:1", token=Secret("1:A"), connections=1
        ):
            pass


def test_the_default_authorities_are_those_of_certifi_at_least() -> None:
    assert default_ssl_context().cert_store_stats()["x509_ca"] > 100


async def test_the_loggers_of_httpx_stay_silent_whatever_is_configured_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("httpx", "httpcore.connection", "httpcore.http11")
    async with open_transport(
        "httpx", base_url="http://127.0.0.1:1", token=Secret("1:A"), connections=1
    ):
        pass

    for name in names:
        caplog.set_level(logging.DEBUG, logger=name)
        logging.getLogger(name).critical("POST https://example.org/bot1:A/getMe")

    assert caplog.records == []

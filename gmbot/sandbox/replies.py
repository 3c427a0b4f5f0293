"""What goes back over the wire: status, body, and how badly the connection treats it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer. `retry_after` in seconds becomes a header.

    With `cut` set, only so many bytes of the body go out, and then the connection is reset; a
    negative one resets it before anything. `sent` is called when all of the answer went out to a
    client that was still there.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    retry_after: int | None = None
    cut: int | None = None
    sent: Callable[[], None] | None = None


def success(result: bytes) -> Reply:
    """Wrap an encoded result."""
    return Reply(body=b'{"ok":true,"result":' + result + b"}")


def failure(code: int, description: str, parameters: dict[str, Any] | None = None) -> Reply:
    """Say no as the Bot API does."""
    answer: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        answer["parameters"] = parameters
    retry_after = (parameters or {}).get("retry_after")
    return Reply(status=code, body=encode(answer), retry_after=retry_after)


def page(code: int, title: str) -> Reply:
    """Answer as a proxy in front of the server does: with HTML."""
    text = (
        f"<html>\r\n<head><title>{code} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{code} {title}</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Reply(status=code, body=text.encode(), content_type="text/html")


def encode(value: Any) -> bytes:
    """Encode as JSON, unpaired surrogates included."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()

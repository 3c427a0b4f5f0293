"""One connection to a webhook: POST after POST, with h11 on a trio stream."""

import base64
import ssl

import h11
import trio

from gmbot.sandbox.sockets import is_readable
from gmbot.sandbox.webhook import Webhook


class HookFailure(Exception):
    """No answer came; the words are those that getWebhookInfo shows."""


class HookConnection:
    """Connects when first used, and stays open as long as the receiver lets it."""

    def __init__(self, webhook: Webhook, tls: ssl.SSLContext | None) -> None:
        self._url = webhook.parts
        self._tls = tls
        self._headers = _headers(webhook)
        self._http = h11.Connection(h11.CLIENT)
        self._stream: trio.abc.Stream | None = None
        self._wire: trio.SocketStream | None = None
        self.is_open = False

    @property
    def is_stale(self) -> bool:
        """Whether the receiver closed it while it was idle."""
        return self._wire is None or is_readable(self._wire)

    async def post(self, body: bytes) -> tuple[int, str, int]:
        """Send an update; returns status, reason and Retry-After (0: none). Raises HookFailure."""
        self.is_open = False
        try:
            if self._stream is None:
                self._stream = await self._connect()
            out = b""
            for event in (
                h11.Request(
                    method="POST",
                    target=self._target,
                    headers=[*self._headers, ("content-length", str(len(body)))],
                ),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                out += self._http.send(event) or b""
            await self._stream.send_all(out)
            return await self._receive(self._stream)
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as problem:
            if isinstance(problem.__cause__, ssl.SSLError):
                raise HookFailure(f"SSL error {problem.__cause__}") from None
            raise HookFailure("Connection closed") from None
        except OSError:
            raise HookFailure("Connection refused") from None

    def close(self) -> None:
        """Close it at once."""
        self.is_open = False
        if self._wire is not None:
            self._wire.socket.close()

    @property
    def _target(self) -> str:
        path = self._url.path or "/"
        return f"{path}?{self._url.query}" if self._url.query else path

    async def _connect(self) -> trio.abc.Stream:
        is_tls = self._url.scheme == "https"
        host = self._url.hostname or ""
        wire = await trio.open_tcp_stream(host, self._url.port or (443 if is_tls else 80))
        self._wire = wire
        if not is_tls:
            return wire
        context = self._tls or ssl.create_default_context()
        stream = trio.SSLStream(wire, context, server_hostname=host, https_compatible=True)
        await stream.do_handshake()
        return stream

    async def _receive(self, stream: trio.abc.Stream) -> tuple[int, str, int]:
        status, reason, retry_after = 0, "", 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Response):
                status, reason = event.status_code, bytes(event.reason).decode("latin-1")
                for name, value in event.headers:
                    if name == b"retry-after" and value.isdigit():
                        retry_after = int(value)
            elif isinstance(event, h11.EndOfMessage):
                break
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.is_open = True
        return status, reason, retry_after


def _headers(webhook: Webhook) -> list[tuple[str, str]]:
    url = webhook.parts
    host = url.netloc.rpartition("@")[2]
    headers = [("host", host), ("content-type", "application/json")]
    if webhook.secret_token:
        headers.append(("x-telegram-bot-api-secret-token", webhook.secret_token))
    if url.username is not None:
        userinfo = base64.b64encode(f"{url.username}:{url.password or ''}".encode()).decode()
        headers.append(("authorization", f"Basic {userinfo}"))
    return headers

"""What the streams of trio do not offer: a look without waiting, and a rude end."""

import select
import socket
import struct

import trio


def is_readable(stream: trio.SocketStream) -> bool:
    """Tell whether something can be read now; where nothing is due, it is the other side's end."""
    poll = select.poll()
    poll.register(stream.socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def reset(stream: trio.SocketStream) -> None:
    """Close a connection with RST instead of FIN."""
    # That is what close() does where lingering is on for zero seconds.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()

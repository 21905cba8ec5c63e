"""Connections on which a request does not come: what is half sent is given up after some time."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK = 10.0
"""Seconds between two looks at what has come of a request."""
HEAD_SECONDS = 20.0
"""Seconds for the first line and the headers of a request, and for the first one to begin on a new connection."""
LEAST_BYTES = 2 * 2**10
"""Bytes of a body that must come between two looks, 200 a second: a slow telephone sends ten times as many."""

_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 66\r\n"
    b"Connection: close\r\n\r\nThe request came too slowly and was given up: send it once again.\n"
)


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which a request stays half sent, in its headers or in its body."""

    _timer: asyncio.TimerHandle | None = None
    _bytes = 0
    """Bytes that came since the last look."""
    _waited = 0.0
    """Seconds for which a request's head has been awaited."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._look_later()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._bytes += len(data)
        super().data_received(data)
        if self._timer is None and self._awaits() and not self.transport.is_closing():
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(LOOK, self._look)

    def _awaits(self) -> bool:
        """Return whether a part of a request is still to come."""
        half_head = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        return half_head or self.conn.their_state is h11.SEND_BODY

    def _look(self) -> None:
        self._timer = None
        new = self.cycle is None and self.conn.their_state is h11.IDLE
        if self.transport.is_closing() or not (new or self._awaits()):
            self._bytes, self._waited = 0, 0.0
            return
        if self._is_too_slow():
            self._give_up()
            return
        self._bytes = 0
        self._look_later()

    def _is_too_slow(self) -> bool:
        if self.conn.their_state is h11.SEND_BODY:
            self._waited = 0.0
            # What is not read because the application has not taken the rest is no fault of the sender's.
            return self._bytes < LEAST_BYTES and not self.flow.read_paused
        self._waited += LOOK
        return self._waited >= HEAD_SECONDS

    def _give_up(self) -> None:
        """Close the connection, with a sentence where a request and no response has begun."""
        if self._awaits() and (
            self.cycle is None or not self.cycle.response_started or self.cycle.response_complete
        ):
            self.transport.write(_TIMED_OUT)
        self.transport.close()

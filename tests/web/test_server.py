"""How the arena listens."""

import socket

import pytest

from app.web.server import AddressTaken, listening


def test_a_page_does_not_wait_until_its_headers_are_acknowledged() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_refused_with_what_to_do() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(AddressTaken, match=f"port {port} .* choose another"),
            listening("127.0.0.1", port),
        ):
            pass

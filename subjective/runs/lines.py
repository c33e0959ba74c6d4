"""Connections between the processes of a run, which carry orders; see `subjective.runs.processes`."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import struct
import threading
import time
from typing import Any

from subjective.checks import InputError, setting

ANSWER_SECONDS = 60.0
"""Seconds in which all members have to connect, once JAX has found all processes."""

CONNECT_SECONDS = 5.0
"""Seconds in which an address of the leader has to take a connection."""

GREETING_SECONDS = 20.0
"""Seconds in which the other process has to greet; more than a busy machine needs."""

NUMBER_DIGITS = 8
"""Number of digits in which a member says its number."""

Order = dict[str, Any]
"""What the leader asks for: ``do`` is a word, the rest depends on the word."""


class Line:
    """A connection that carries orders, each with some bytes."""

    def __init__(self, connection: socket.socket):
        """Take over a connection. The loss of a whole machine is noticed within a minute."""
        self._socket, self._lock = connection, threading.Lock()
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_NODELAY", 1),
            ("TCP_KEEPIDLE", 20),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 5),
            ("TCP_USER_TIMEOUT", 45_000),  # milliseconds; counts instead while sent bytes are not confirmed
        ):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, order: Order, data: bytes | memoryview = b"") -> None:
        """Send an order and its bytes.

        Raises:
            OSError: the other process is gone.
        """
        head = json.dumps(order).encode()
        with self._lock:
            self._socket.sendall(struct.pack("<QQ", len(head), len(data)) + head)
            self._socket.sendall(data)

    def receive(self) -> tuple[Order, bytearray] | None:
        """Wait for an order and its bytes; return None if the other process is gone."""
        try:
            lengths = self._read(16)
            head, data = (self._read(length) for length in struct.unpack("<QQ", lengths))
        except OSError:
            return None
        return json.loads(head), data

    def close(self) -> None:
        """Close the connection, which the other process hears."""
        self._socket.close()

    def _read(self, length: int) -> bytearray:
        return _read(self._socket, length)


def _read(connection: socket.socket, length: int) -> bytearray:
    """Read so many bytes; raise `ConnectionError` if there are fewer."""
    found = bytearray(length)
    view = memoryview(found)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise ConnectionError
        view = view[count:]
    return found


def listen(port: int = 0) -> socket.socket:
    """Listen at a port of all addresses of this machine; 0 is any port that is free.

    Raises:
        InputError: another program uses the port.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        where = f"{setting('coordinator')} names port {port}, which cannot be used here"
        raise InputError(f"{where} ({os.strerror(error.errno or 0)}); choose another") from None


def own_addresses() -> list[str]:
    """Return names and addresses under which other machines may reach this one."""
    name = socket.gethostname()
    found = [name]
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        outward.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the address that leads outward
        found.append(outward.getsockname()[0])
    return list(dict.fromkeys([*found[:8], "127.0.0.1"]))


def accept_lines(listener: socket.socket, token: str, count: int) -> dict[int, Line]:
    """Wait for all members. A member says the first half of the token and its number, and hears the second half.

    Args:
        listener: from `listen`.
        token: text of even length that only the processes of the run know.
        count: number of processes, this one included.

    Returns:
        The connection to each member, by its number.

    Raises:
        InputError: a member does not connect in time.
    """
    lines: dict[int, Line] = {}
    half, latest = len(token) // 2, time.monotonic() + ANSWER_SECONDS
    while len(lines) < count - 1:
        listener.settimeout(max(latest - time.monotonic(), 0.01))
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as opened:  # strangers may come too
            connection, _ = listener.accept()
            opened.enter_context(connection).settimeout(GREETING_SECONDS)
            said = _read(connection, half + NUMBER_DIGITS).decode("ascii")
            if secrets.compare_digest(said[:half], token[:half]):
                connection.sendall(token[half:].encode())
                lines[int(said[half:])] = Line(connection)
                opened.pop_all()
        missing = count - 1 - len(lines)
        if missing and time.monotonic() >= latest:
            raise InputError(f"{missing} of {count} processes did not connect to process 0")
    return lines


def connect(hosts: list[str], port: int, token: str, number: int) -> Line:
    """Connect to process 0 at one of the addresses at which it may be.

    Args:
        hosts: names and addresses to try.
        port: the port.
        token: see `accept_lines`.
        number: number of this process.

    Raises:
        InputError: process 0 is at none of them.
    """
    half = len(token) // 2
    for host in hosts:
        with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
            connection = opened.enter_context(socket.create_connection((host, port), timeout=CONNECT_SECONDS))
            connection.settimeout(GREETING_SECONDS)
            connection.sendall(f"{token[:half]}{number:0{NUMBER_DIGITS}}".encode())
            if _read(connection, half) == token[half:].encode():
                opened.pop_all()
                return Line(connection)
    raise InputError(f"process 0 cannot be reached at port {port} of {', '.join(hosts)}")

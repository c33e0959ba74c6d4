"""Run the server until it is stopped, or until the run beside which it was started has ended and its page is closed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import threading
import time

import uvicorn

from subjective.checks import InputError
from subjective.studio.safety import LOOPBACK
from subjective.studio.server import Studio

LINGER = 30.0
"""Seconds that a server beside a run waits for a page, after the run has ended, before it ends too."""


def is_loopback(host: str) -> bool:
    """Return whether an address reaches only this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_socket(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host: address or name.
        port: number of the port; 0 for a free one.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(64)
        except BaseException:
            found.close()
            raise
    except OSError as error:
        raise InputError(f"cannot serve at {host} port {port}: {error.strerror or error}; try --port 0") from None
    return found


def serve(studio: Studio, listening: socket.socket, token: str, hosts: tuple[str, ...], *, beside: bool) -> None:
    """Answer requests until Ctrl-C.

    Args:
        studio: what is served.
        listening: from `open_socket`.
        token: the first part of every path.
        hosts: names by which the server is reached.
        beside: whether to end when the standard input has ended, and no page has been open for `LINGER` seconds.
    """
    settings = uvicorn.Config(
        studio.app(token, hosts),
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=16384,
    )
    server = uvicorn.Server(settings)
    if beside:
        threading.Thread(target=_end_after, args=(server, studio), daemon=True).start()
    asyncio.run(server.serve(sockets=[listening]))


def _end_after(server: uvicorn.Server, studio: Studio) -> None:
    """Wait for the end of the standard input, and then for the last page to be closed."""
    while sys.stdin.buffer.read(4096):
        pass
    quiet = time.monotonic()
    while time.monotonic() - quiet < LINGER:
        if studio.pages:
            quiet = time.monotonic()
        time.sleep(0.5)
    server.should_exit = True


def address_of(listening: socket.socket, host: str, token: str) -> str:
    """Return the address of the page, to open in a browser."""
    port = listening.getsockname()[1]
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{token}/"


def names_of(host: str) -> tuple[str, ...]:
    """Return the names by which a server at an address may be called."""
    own = f"[{host}]" if ":" in host else host
    if is_loopback(host):
        return (*LOOPBACK, own)
    if host not in ("0.0.0.0", "::"):
        return (*LOOPBACK, own.lower())
    name = socket.gethostname()
    found = {info[4][0] for info in socket.getaddrinfo(name, None)}
    numbers = [f"[{number}]" if ":" in str(number) else str(number) for number in found]
    return (*LOOPBACK, name.lower(), socket.getfqdn().lower(), *numbers)

"""Let only the page of this server speak to it.

Every path begins with a token that only the address has that was printed. ``Host`` must be a name of this server, so
that another site's name which is made to lead here (DNS rebinding) opens nothing. ``Origin``, if a browser sends it,
must be this server too. All of it is checked before a request reaches any other code.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names by which a server on this machine is reached."""

LONGEST = 4096
"""Most bytes of a path and of what follows its question mark."""

HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    b"media-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Headers of every response: the browser runs and loads nothing that does not come from this server."""


def new_token() -> str:
    """Return a new token, which nobody can guess."""
    return secrets.token_urlsafe(18)


class Guard:
    """An ASGI application in front of another one, which sees only what the guard lets through, without the token.

    Attributes:
        token: the first part of every path.
        hosts: names by which the server is reached, without ports: a tunnel may lead here from another port.
    """

    def __init__(self, app: App, token: str, hosts: Collection[str] = LOOPBACK):
        """Guard an application."""
        self._app, self.token, self.hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refuse(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                more = [(name, value) for name, value in HEADERS.items() if name not in given]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        path = scope["path"][1 + len(self.token) :]
        inner = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogateescape"), "root_path": ""}
        await self._app(inner, receive, send_guarded)

    def _refuse(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the line with which a request is refused; None if it is let through."""
        path, query = scope["path"], scope.get("query_string", b"")
        if len(path) > LONGEST or len(query) > LONGEST:
            return 414, "the address is too long"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "wanted GET or POST"
        hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
        if len(hosts) != 1 or not self._is_own(hosts[0].decode("latin-1")):
            return 421, "this server has another name; use the address that it has printed"
        origins = [value for name, value in scope["headers"] if name.lower() == b"origin"]
        own = {b"http://" + hosts[0], b"https://" + hosts[0]}
        if any(origin not in own for origin in origins):
            return 403, "another site's page may not use this server"
        sites = [value for name, value in scope["headers"] if name.lower() == b"sec-fetch-site"]
        if scope["method"] == "POST" and any(site not in (b"same-origin", b"none") for site in sites):
            return 403, "another site's page may not use this server"
        given, slash, _ = path[1:].partition("/")
        if not (path.startswith("/") and slash and _is_equal(given, self.token)):
            return 403, "the address has no token, or a wrong one; use the address that was printed in the terminal"
        return None

    def _is_own(self, host: str) -> bool:
        """Return whether a ``Host`` names this server."""
        found = re.fullmatch(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:]+)(:\d{1,5})?", host)
        return found is not None and found["name"].lower() in self.hosts


def _is_equal(given: str, token: str) -> bool:
    """Compare in a time that says nothing of the token."""
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


async def _answer(send: Send, status: int, line: str) -> None:
    body = f"{line}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *HEADERS.items()]})
    await send({"type": "http.response.body", "body": body})

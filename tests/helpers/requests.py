"""Requests to an ASGI application, made by hand so that they can be malformed in any way."""

import asyncio
import json

TOKEN = "the-token"
OWN = (b"host", b"127.0.0.1:8000")


class Answer:
    """What an application answers."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, dict(headers), body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


async def request(app, method, path, query=b"", headers=(OWN,), chunks=(b"",)):
    """Make one request; ``path`` is as a server decodes it."""
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting[-1]["more_body"] = False
    sent = []

    async def receive():
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], sent[0]["headers"], body)


def ask(app, method, path, query="", headers=(OWN,), body=b""):
    """Make one request with the token."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asyncio.run(request(app, method, f"/{TOKEN}{path}", query.encode(), headers, [data]))

"""The addresses of the form and the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from subjective.checks import InputError
from subjective.studio.answers import KEPT, answer_json, query, read_body, read_bytes, text_of, whole
from subjective.studio.desk import Desk
from subjective.studio.uploads import LARGEST


def desk_routes(desk: Desk) -> list[Route]:
    """Return the addresses at which a desk is served."""

    async def forms(request: Request) -> Response:
        return await answer_json(desk.describe)

    async def picture(request: Request) -> Response:
        side = min(max(whole(query(request, "side", "208")), 16), 2048)
        data = await run_in_threadpool(desk.thumbnail, query(request, "path"), side)
        return Response(data, media_type="image/jpeg", headers=KEPT)

    async def measure(request: Request) -> Response:
        return await answer_json(desk.measure, query(request, "path"))

    async def upload(request: Request) -> Response:
        name, data = query(request, "name"), await read_bytes(request, LARGEST)
        return await answer_json(lambda: {"path": str(desk.uploads.keep(name, data)), "name": name})

    async def check(request: Request) -> Response:
        return await answer_json(desk.check, *_command(await read_body(request)))

    async def forecast(request: Request) -> Response:
        return await answer_json(desk.forecast, *_command(await read_body(request)))

    async def start(request: Request) -> Response:
        return await answer_json(desk.start, *_command(await read_body(request)))

    async def resume(request: Request) -> Response:
        return await answer_json(desk.resume, text_of(await read_body(request), "run"))

    async def act(request: Request) -> Response:
        body = await read_body(request)
        number = body.get("number")
        if type(number) is not int:
            raise InputError("the request lacks number")
        return await answer_json(desk.act, number, text_of(body, "action"))

    posts = {"upload": upload, "check": check, "forecast": forecast, "start": start, "resume": resume, "queue": act}
    return [
        Route("/api/forms", forms, methods=["GET"]),
        Route("/picture", picture, methods=["GET"]),
        Route("/api/picture", measure, methods=["GET"]),
        *(Route(f"/api/{name}", endpoint, methods=["POST"]) for name, endpoint in posts.items()),
    ]


def _command(body: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the command and the settings that a request names."""
    values = body.get("values")
    if not isinstance(values, dict):
        raise InputError("the request lacks values")
    return text_of(body, "command"), values

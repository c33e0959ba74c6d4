"""The server of the page: what each address answers. `subjective.studio.safety` stands in front of it."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from subjective.checks import FileError, InputError
from subjective.files import open_plainly, read_plainly
from subjective.runs import control
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.session import TRACEBACK_FILE
from subjective.runs.trace import read_json
from subjective.runs.traced_folder import SUMMARY_FILE
from subjective.studio import pictures
from subjective.studio.commands import describe_commands
from subjective.studio.runs_index import Index, list_pictures
from subjective.studio.safety import LOOPBACK, App, Guard
from subjective.studio.trace_columns import Traces
from subjective.studio.workspace import Workspace

STATIC_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
LARGEST_BODY = 65536
"""Most bytes of a request that carries JSON."""

LOOK = 1.0
"""Seconds between two looks into the folder, as long as a page is open."""


class Studio:
    """What the page asks for.

    Attributes:
        index: the runs.
        pages: number of pages that are open.
    """

    def __init__(self, index: Index):
        """Serve the runs of an index."""
        self.index, self.pages = index, 0
        self._workspace, self._traces, self._cache = Workspace(index), Traces(), pictures.Cache()

    def app(self, token: str, hosts: tuple[str, ...] = LOOPBACK) -> App:
        """Return the application, with a `Guard` in front.

        Args:
            token: the first part of every path.
            hosts: names by which the server is reached.
        """
        return Guard(Starlette(routes=self._routes(), exception_handlers=_HANDLERS), token, hosts)

    def _routes(self) -> list[Route]:
        gets = {
            "/": self._page,
            "/static/{name}": self._static,
            "/api/events": self._events,
            "/api/run": self._run,
            "/api/curves": self._curves,
            "/api/config": self._config,
            "/thumbnail": self._thumbnail,
            "/file": self._file,
            "/part": self._part,
            "/source": self._source,
        }
        posts = {
            "/api/control": self._control,
            "/api/tags": self._tags,
            "/api/delete": self._delete,
            "/api/restore": self._restore,
        }
        return [
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in gets.items()),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
        ]

    async def _page(self, request: Request) -> Response:
        return _static_file("index.html")

    async def _static(self, request: Request) -> Response:
        return _static_file(request.path_params["name"])

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._tell(), media_type="text/event-stream")

    async def _tell(self) -> AsyncIterator[str]:
        """Yield what has changed in the folder, as server-sent events, until the page is closed."""
        self.pages += 1
        sent: dict[str, Any] = {}
        silent = 0.0
        try:
            while True:
                message = await run_in_threadpool(self._find_changes, sent)
                silent = 0.0 if message else silent + LOOK
                if message:
                    yield f"data: {json.dumps(message)}\n\n"
                elif silent >= 15:  # a proxy between may close a silent connection
                    silent = 0.0
                    yield ": nothing new\n\n"
                await asyncio.sleep(LOOK)
        finally:
            self.pages -= 1

    def _find_changes(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Return what is new since the last call with the same ``sent``, which is changed; empty if nothing is."""
        try:
            now: dict[str, Any] = self.state()
        except InputError as error:
            now = {"problem": str(error)}
        message: dict[str, Any] = {}
        if "runs" in now:
            before = sent.get("runs", {})
            changed = {name: run for name, run in now["runs"].items() if before.get(name) != run}
            gone = [name for name in before if name not in now["runs"]]
            if changed or gone or "runs" not in sent:
                message |= {"runs": changed, "gone": gone}
        message |= {key: value for key, value in now.items() if key != "runs" and sent.get(key) != value}
        if "problem" in sent and "problem" not in now:
            message["problem"] = ""
            del sent["problem"]
        sent.update(now)
        return message

    def state(self) -> dict[str, Any]:
        """Return what the list of runs shows: ``runs`` by name, and ``tags``.

        Raises:
            FileError: the folder cannot be read.
        """
        return {"runs": self.index.list_runs(), "tags": self._workspace.tags, "folder": str(self.index.root)}

    async def _run(self, request: Request) -> Response:
        return await _json(self._describe_run, _query(request, "run"))

    def _describe_run(self, name: str) -> dict[str, Any]:
        folder = self.index.find(name)
        entry = self.index.list_runs()[name]
        config = read_json(folder / CONFIG_FILE) or {}
        try:
            fault = read_plainly(folder / TRACEBACK_FILE).decode(errors="replace")[-20_000:]
        except (OSError, InputError):
            fault = ""
        return {
            **entry,
            "folder": str(folder),
            "config": config,
            "summary": read_json(folder / SUMMARY_FILE) or {},
            "pictures": list_pictures(folder),
            "sources": [{key: one[key] for key in ("use", "name")} for one in pictures.list_sources(config)],
            "commands": describe_commands(folder, config, entry["status"]),
            "traceback": fault,
        }

    async def _curves(self, request: Request) -> Response:
        number = _whole(_query(request, "picture", "0"))
        return await _json(lambda name: self._traces.columns(self.index.find(name), number), _query(request, "run"))

    async def _config(self, request: Request) -> Response:
        folder = self.index.find(_query(request, "run"))
        return Response(read_plainly(folder / CONFIG_FILE), media_type="application/json")

    async def _thumbnail(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_thumbnail, request)

    def _make_thumbnail(self, request: Request) -> Response:
        folder, name = self.index.find(_query(request, "run")), _query(request, "name")
        side = min(max(_whole(_query(request, "side", str(pictures.THUMBNAIL))), 16), 2048)
        path = pictures.find_file(folder, name)
        key = (path, path.lstat().st_mtime_ns, side)
        data = self._cache.get(key, lambda: pictures.make_thumbnail(path, side))
        return Response(data, media_type="image/jpeg", headers=_KEPT)

    async def _file(self, request: Request) -> Response:
        folder, name = self.index.find(_query(request, "run")), _query(request, "name")
        path = pictures.find_file(folder, name)
        file = open_plainly(path, "rb")
        kept = _KEPT if "v" in request.query_params else {}
        return StreamingResponse(_chunks(file), media_type=pictures.TYPES[path.suffix.lower()], headers=kept)

    async def _part(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_part, request)

    def _make_part(self, request: Request) -> Response:
        path = pictures.find_file(self.index.find(_query(request, "run")), _query(request, "name"))
        box = [_whole(_query(request, side)) for side in ("left", "top", "width", "height")]
        return Response(pictures.cut_out(path, *box), media_type="image/png", headers=_KEPT)

    async def _source(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_source, request)

    def _make_source(self, request: Request) -> Response:
        folder, number = self.index.find(_query(request, "run")), _whole(_query(request, "number", "0"))
        config = read_json(folder / CONFIG_FILE) or {}
        sources = pictures.list_sources(config)
        if number >= len(sources):
            raise InputError("the run has no such source")
        source, settings = sources[number], config.get("settings")
        settings = settings if isinstance(settings, dict) else {}
        key = (source["sha256"], settings.get("source_width"), settings.get("source_scale"))
        data = self._cache.get(key, lambda: pictures.show_source(source, settings))
        return Response(data, media_type="image/png", headers=_KEPT)

    async def _control(self, request: Request) -> Response:
        body = await _read_body(request)
        return await _json(self._ask, _text(body, "run"), _text(body, "request"))

    def _ask(self, name: str, wanted: str) -> dict[str, Any]:
        folder = self.index.find(name)
        known = [request for request in get_args(control.Request) if request == wanted]
        if not known:
            raise InputError(f"wanted one of {', '.join(control.REQUESTS)}")
        if self.index.list_runs()[name]["status"] != "running":
            raise InputError("the run does not go on, or has made no step yet")
        control.ask(folder, known[0])
        return {"asked": wanted}

    async def _tags(self, request: Request) -> Response:
        body = await _read_body(request)
        return await _json(lambda: self._workspace.tag(_text(body, "run"), body.get("tags")))

    async def _delete(self, request: Request) -> Response:
        body = await _read_body(request)
        return await _json(lambda: {"kept": self._workspace.delete(_text(body, "run"))})

    async def _restore(self, request: Request) -> Response:
        body = await _read_body(request)
        return await _json(lambda: {"run": self._workspace.restore(_text(body, "kept"))})


_KEPT = {"cache-control": "private, max-age=86400"}
"""For what never changes under its address, which has the version of the file."""


def _static_file(name: str) -> Response:
    """Return a file of the page itself."""
    known = {file.name: file for file in files("subjective.studio").joinpath("static").iterdir()}
    suffix = Path(name).suffix
    if name not in known or suffix not in STATIC_TYPES:
        raise HTTPException(404)
    return Response(known[name].read_bytes(), media_type=f"{STATIC_TYPES[suffix]}; charset=utf-8")


async def _json(function: Callable[..., Any], *arguments: Any) -> Response:
    """Call a function in a thread, and return what it returns as JSON."""
    return JSONResponse(await run_in_threadpool(function, *arguments))


def _query(request: Request, name: str, default: str | None = None) -> str:
    """Return a word of the address.

    Raises:
        InputError: the word is missing.
    """
    found = request.query_params.get(name, default)
    if found is None:
        raise InputError(f"the address lacks {name}")
    return found


def _whole(word: str) -> int:
    """Read a whole number, 0 or more."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise InputError("wanted a whole number, 0 or more")
    return int(word)


async def _read_body(request: Request, limit: int = LARGEST_BODY) -> dict[str, Any]:
    """Read the JSON object that a request carries.

    Raises:
        InputError: the request carries none, or more than ``limit`` bytes.
    """
    data = await read_bytes(request, limit)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("wanted a JSON object")
    return found


async def read_bytes(request: Request, limit: int) -> bytes:
    """Read what a request carries, and stop as soon as it is more than ``limit`` bytes.

    Raises:
        InputError: it is more.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise InputError(f"the request carries more than {limit:,} bytes")
    return bytes(data)


def _text(body: Mapping[str, Any], name: str) -> str:
    """Return a text of a JSON object.

    Raises:
        InputError: there is none.
    """
    found = body.get(name)
    if not isinstance(found, str):
        raise InputError(f"the request lacks {name}")
    return found


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while data := await run_in_threadpool(file.read, 1 << 18):
            yield data


async def _explain_input(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400)


async def _explain_file(request: Request, error: Exception) -> Response:
    text = str(error) if isinstance(error, InputError) else "it cannot be read; it may have been moved or deleted"
    return PlainTextResponse(text, 404 if isinstance(error, FileNotFoundError) else 409)


async def _explain_fault(request: Request, error: Exception) -> Response:
    traceback.print_exception(error, file=sys.stderr)
    return PlainTextResponse(f"a fault of this program: {type(error).__name__}; its terminal says more", 500)


_HANDLERS: dict[Any, Any] = {
    FileError: _explain_file,
    InputError: _explain_input,
    OSError: _explain_file,
    Exception: _explain_fault,
}

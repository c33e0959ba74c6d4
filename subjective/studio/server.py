"""The server of the page: what each address answers. `subjective.studio.safety` stands in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from subjective.checks import InputError
from subjective.files import open_plainly, read_plainly
from subjective.runs import control
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import read_json
from subjective.runs.traced_folder import SUMMARY_FILE, TRACEBACK_FILE
from subjective.studio import pictures
from subjective.studio.answers import HANDLERS, KEPT, answer_json, encode, query, read_body, text_of, whole
from subjective.studio.commands import describe_commands
from subjective.studio.desk import Desk
from subjective.studio.desk_routes import desk_routes
from subjective.studio.maps import list_maps
from subjective.studio.runs_index import Index, list_pictures
from subjective.studio.safety import LOOPBACK, App, Guard
from subjective.studio.trace_columns import Traces
from subjective.studio.workspace import Workspace, describe_room

STATIC_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
LOOK = 1.0
"""Seconds between two looks into the folder, as long as a page is open."""


class Studio:
    """What the page asks for.

    Attributes:
        index: the runs.
        pages: number of pages that are open.
    """

    def __init__(self, index: Index, desk: Desk | None = None):
        """Serve the runs of an index; with a desk, runs can be started too."""
        self.index, self.pages, self._desk = index, 0, desk
        self._workspace, self._traces, self._cache = Workspace(index), Traces(), pictures.Cache()

    def app(self, token: str, hosts: tuple[str, ...] = LOOPBACK) -> App:
        """Return the application, with a `Guard` in front.

        Args:
            token: the first part of every path.
            hosts: names by which the server is reached.
        """
        return Guard(Starlette(routes=self._routes(), exception_handlers=HANDLERS), token, hosts)

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
        desk = [] if self._desk is None else desk_routes(self._desk)
        return [
            *desk,
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
                    yield f"data: {encode(message)}\n\n"
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
        """Return what the list of runs shows: ``runs`` by name, ``tags``, ``folder``, ``queue`` if there is a desk, and
        ``problem`` if the disk is full.

        Raises:
            FileError: the folder cannot be read.
        """
        queue = {} if self._desk is None else {"queue": self._desk.tell()}
        runs, problem = self.index.list_runs(), describe_room(self.index.root)
        told = {"problem": problem} if problem else {}
        return {"runs": runs, "tags": self._workspace.tags, "folder": str(self.index.root), **queue, **told}

    async def _run(self, request: Request) -> Response:
        return await answer_json(self._describe_run, query(request, "run"))

    def _describe_run(self, name: str) -> dict[str, Any]:
        folder = self.index.find(name)
        entry = self.index.list_runs()[name]
        config = read_json(folder / CONFIG_FILE) or {}
        try:
            fault = read_plainly(folder / TRACEBACK_FILE).decode(errors="replace")[-20_000:]
        except (OSError, InputError):
            fault = ""
        summary = read_json(folder / SUMMARY_FILE) or {}
        return {
            **entry,
            "folder": str(folder),
            "config": config,
            "summary": summary,
            "maps": list_maps(folder, config, summary),
            "pictures": list_pictures(folder),
            "sources": [{key: one[key] for key in ("use", "name")} for one in pictures.list_sources(config)],
            "commands": describe_commands(folder, config, entry["status"]),
            "traceback": fault,
            "changed_by_hand": [one for one in config.get("changed_by_hand") or [] if isinstance(one, str)],
        }

    async def _curves(self, request: Request) -> Response:
        number = whole(query(request, "picture", "0"))
        name = query(request, "run")
        return await answer_json(lambda: self._traces.columns(self.index.find(name), number))

    async def _config(self, request: Request) -> Response:
        folder = self.index.find(query(request, "run"))
        return Response(read_plainly(folder / CONFIG_FILE), media_type="application/json")

    async def _thumbnail(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_thumbnail, request)

    def _make_thumbnail(self, request: Request) -> Response:
        folder, name = self.index.find(query(request, "run")), query(request, "name")
        side = min(max(whole(query(request, "side", str(pictures.THUMBNAIL))), 16), 2048)
        path = pictures.find_file(folder, name)
        key = (path, path.lstat().st_mtime_ns, side)
        data = self._cache.get(key, lambda: pictures.make_thumbnail(path, side))
        return Response(data, media_type="image/jpeg", headers=KEPT)

    async def _file(self, request: Request) -> Response:
        folder, name = self.index.find(query(request, "run")), query(request, "name")
        path = pictures.find_file(folder, name)
        file = open_plainly(path, "rb")
        kept = KEPT if "v" in request.query_params else {}
        return StreamingResponse(_chunks(file), media_type=pictures.TYPES[path.suffix.lower()], headers=kept)

    async def _part(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_part, request)

    def _make_part(self, request: Request) -> Response:
        path = pictures.find_file(self.index.find(query(request, "run")), query(request, "name"))
        box = [whole(query(request, side)) for side in ("left", "top", "width", "height")]
        return Response(pictures.cut_out(path, *box), media_type="image/png", headers=KEPT)

    async def _source(self, request: Request) -> Response:
        return await run_in_threadpool(self._make_source, request)

    def _make_source(self, request: Request) -> Response:
        folder, number = self.index.find(query(request, "run")), whole(query(request, "number", "0"))
        config = read_json(folder / CONFIG_FILE) or {}
        sources = pictures.list_sources(config)
        if number >= len(sources):
            raise InputError("the run has no such source")
        source = sources[number]
        width, scale = pictures.find_scale(source, config)
        key = (source["sha256"], width, scale)
        data = self._cache.get(key, lambda: pictures.show_source(source, width, scale))
        return Response(data, media_type="image/png", headers=KEPT)

    async def _control(self, request: Request) -> Response:
        body = await read_body(request)
        weights = body.get("weights")
        wanted = None if weights is not None else text_of(body, "request")
        return await answer_json(self._ask, text_of(body, "run"), wanted, weights)

    def _ask(self, name: str, wanted: str | None, weights: Any) -> dict[str, Any]:
        folder = self.index.find(name)
        known = [request for request in get_args(control.Request) if request == wanted]
        if not known and weights is None:
            raise InputError(f"wanted one of {', '.join(control.REQUESTS)}")
        entry = self.index.list_runs()[name]
        if entry["status"] != "running":
            raise InputError("the run does not go on, or has made no step yet")
        if weights is not None:
            offered = (entry["live"] or {}).get("weights") or {}
            if not isinstance(weights, dict) or not weights or not weights.keys() <= offered.keys():
                raise InputError(f"this run has the weights {', '.join(offered) or 'of nothing that can be changed'}")
        control.ask(folder, known[0] if known else None, weights)
        return {"asked": wanted or sorted(weights)}

    async def _tags(self, request: Request) -> Response:
        body = await read_body(request)
        return await answer_json(lambda: self._workspace.tag(text_of(body, "run"), body.get("tags")))

    async def _delete(self, request: Request) -> Response:
        body = await read_body(request)
        return await answer_json(lambda: {"kept": self._workspace.delete(text_of(body, "run"))})

    async def _restore(self, request: Request) -> Response:
        body = await read_body(request)
        return await answer_json(lambda: {"run": self._workspace.restore(text_of(body, "kept"))})


def _static_file(name: str) -> Response:
    """Return a file of the page itself."""
    known = {file.name: file for file in files("subjective.studio").joinpath("static").iterdir()}
    suffix = Path(name).suffix
    if name not in known or suffix not in STATIC_TYPES:
        raise HTTPException(404)
    return Response(known[name].read_bytes(), media_type=f"{STATIC_TYPES[suffix]}; charset=utf-8")


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while data := await run_in_threadpool(file.read, 1 << 18):
            yield data

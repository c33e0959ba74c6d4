"""What all addresses of the page share: read what a request carries, and answer in JSON or in one line."""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from subjective.checks import FileError, InputError
from subjective.runs.control import PREVIEW_FILE

LARGEST_BODY = 65536
"""Most bytes of a request that carries JSON."""

KEPT = {"cache-control": "private, max-age=86400"}
"""For what never changes under its address, which has the version of the file."""


async def answer_json(function: Callable[..., Any], *arguments: Any) -> Response:
    """Call a function in a thread, and return what it returns as JSON."""
    return Response(encode(await run_in_threadpool(function, *arguments)), media_type="application/json")


def encode(value: Any) -> str:
    """Return JSON that browsers read, whatever a run folder holds.

    Numbers that are not finite, which browsers do not read, become null. All letters are ASCII or escaped, because the
    name of a file may have letters that UTF-8 does not have.
    """
    return json.dumps(_without_infinite(value), allow_nan=False)


def _without_infinite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_infinite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _line(text: str, status: int) -> Response:
    """Return an answer of one line. What UTF-8 does not have becomes a question mark."""
    return PlainTextResponse(text.encode("utf-8", "replace"), status)


def query(request: Request, name: str, default: str | None = None) -> str:
    """Return a word of the address.

    Raises:
        InputError: the word is missing.
    """
    found = request.query_params.get(name, default)
    if found is None:
        raise InputError(f"the address lacks {name}")
    return found


def whole(word: str) -> int:
    """Read a whole number, 0 or more."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise InputError("wanted a whole number, 0 or more")
    return int(word)


async def read_body(request: Request, limit: int = LARGEST_BODY) -> dict[str, Any]:
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


def text_of(body: Mapping[str, Any], name: str) -> str:
    """Return a text of a JSON object.

    Raises:
        InputError: there is none.
    """
    found = body.get(name)
    if not isinstance(found, str):
        raise InputError(f"the request lacks {name}")
    return found


async def explain_input(request: Request, error: Exception) -> Response:
    """Answer what a user can mend with its line."""
    return _line(str(error), 400)


async def explain_file(request: Request, error: Exception) -> Response:
    """Answer what the disk refuses with its line.

    A preview goes when its run ends. A page that asks for one a moment later gets nothing, which is no error.
    """
    if isinstance(error, FileNotFoundError) and request.query_params.get("name") == PREVIEW_FILE:
        return Response(status_code=204)
    text = str(error) if isinstance(error, InputError) else "it cannot be read; it may have been moved or deleted"
    return _line(text, 404 if isinstance(error, FileNotFoundError) else 409)


async def explain_fault(request: Request, error: Exception) -> Response:
    """Answer a fault of this program with one line, and write its traceback in the terminal."""
    traceback.print_exception(error, file=sys.stderr)
    return _line(f"a fault of this program: {type(error).__name__}; its terminal says more", 500)


HANDLERS: dict[Any, Any] = {
    FileError: explain_file,
    InputError: explain_input,
    OSError: explain_file,
    Exception: explain_fault,
}

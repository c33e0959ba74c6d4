"""`subjective watch`: show runs on a page."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from subjective.checks import InputError, file_errors
from subjective.cli.commands.pages import PageOptions, WatchCommand
from subjective.runs.interrupts import Interrupted
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import TRACE_FILE
from subjective.studio.runs_index import Index
from subjective.studio.safety import new_token
from subjective.terminal import note, write_line

if TYPE_CHECKING:
    from subjective.studio.server import Studio


def run(options: WatchCommand) -> int:
    """Run the command until Ctrl-C."""
    from subjective.studio.server import Studio

    place = Path(os.path.abspath(options.place))
    if options.beside:  # the run makes the folder a little later
        with file_errors("make", place):
            place.mkdir(parents=True, exist_ok=True)
    if not place.is_dir():
        raise InputError(f"there is no folder {options.place!r}; wanted a run folder, or the folder that holds them")
    is_run = any((place / name).exists() for name in (CONFIG_FILE, TRACE_FILE))
    index = Index(place.parent, only=place.name) if is_run else Index(place)
    serve_page(Studio(index), options, beside=options.beside)
    return 0


def serve_page(studio: Studio, options: PageOptions, *, beside: bool = False) -> None:
    """Serve a page until Ctrl-C, and print its address.

    Args:
        studio: what is served.
        options: options of the command.
        beside: see `subjective.studio.serving.serve`.
    """
    from subjective.studio import serving  # needs packages that help does not wait for

    token, listening = new_token(), serving.open_socket(options.host, options.port)
    address = serving.address_of(listening, options.host, token)
    if not serving.is_loopback(options.host):
        note(
            "note: whoever has the address below can see and change these runs, and nothing is encrypted; a tunnel of "
            "ssh to the default address is safer"
        )
    _say(f"the page: {address}{'#newest' if beside else ''}")
    if options.browser:
        webbrowser.open(address)
    with contextlib.suppress(Interrupted):  # Ctrl-C is how a server ends
        serving.serve(studio, listening, token, serving.names_of(options.host), beside=beside)


def _say(line: str) -> None:
    """Write the address on stderr, with --quiet too: without it the page cannot be opened."""
    write_line(sys.stderr, f"subjective: {line}")

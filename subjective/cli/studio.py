"""`subjective studio`: start runs from a page."""

from __future__ import annotations

import os
from pathlib import Path

from subjective.checks import InputError, file_errors, setting
from subjective.cli.commands.pages import StudioCommand
from subjective.cli.example import find_examples, find_networks
from subjective.cli.forms import CommandForms
from subjective.cli.watch import serve_page
from subjective.files import locked_folder
from subjective.runs.provenance import CONFIG_FILE
from subjective.studio.desk import Desk, Shelf
from subjective.studio.runs_index import Index


def run(options: StudioCommand) -> int:
    """Run the command until Ctrl-C."""
    from subjective.studio.server import Studio

    place = Path(os.path.abspath(options.place))
    if (place / CONFIG_FILE).exists():
        raise InputError(f"{options.place!r} is a run folder; wanted the folder in which run folders are made")
    if locked := locked_folder(place):
        raise InputError(f"{setting('place')} is {options.place!r}, and nothing can be written in {str(locked)!r}")
    with file_errors("make", place):
        place.mkdir(parents=True, exist_ok=True)
    index = Index(place)
    desk = Desk(index, CommandForms(), Shelf(find_examples(), find_networks()))
    desk.queue.start_worker()  # goes on with what another server has left
    serve_page(Studio(index, desk), options)
    return 0

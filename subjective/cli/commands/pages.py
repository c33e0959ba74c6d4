"""The options of the commands that show runs on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from subjective.checks import between
from subjective.cli.options import Options
from subjective.studio.beside import check_packages
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class PageOptions(Options):
    """Options that say where the page is served."""

    group: ClassVar[str] = "input"

    place: Annotated[tyro.conf.Positional[str], arg(metavar="RUN|DIR")] = "outputs"
    """A run folder, or the folder that holds the run folders."""
    host: Annotated[str, arg(metavar="ADDRESS")] = "127.0.0.1"
    """Address at which the page is served. Only programs on this machine reach the default; any other address opens the
    page to all who know its address, and what they read and send is not encrypted: prefer a tunnel of ssh."""
    port: Annotated[int, arg(metavar="N"), between(0, 65535)] = 0
    """Number of the port; 0 takes a free one."""
    browser: bool = False
    """Open the page in a browser."""

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        check_packages()


@dataclass(frozen=True, kw_only=True)
class WatchCommand(PageOptions):
    """Show runs on a page: those that go on, as they are made, and those that are over. The runs may have been started
    by other programs, or on another machine whose disk is mounted here."""

    beside: bool = False
    """End when the standard input has ended and the page is closed. --watch of other commands starts the page so."""


@dataclass(frozen=True, kw_only=True)
class StudioCommand(PageOptions):
    """Start runs from a page, and watch them there. The page has a form of all settings, and a queue that goes on when
    the page or this command is closed."""

    place: Annotated[tyro.conf.Positional[str], arg(metavar="DIR")] = "outputs"
    """The folder for the run folders, which is made if it does not exist."""


@dataclass(frozen=True, kw_only=True)
class ReportCommand(Options):
    """Write runs as one HTML file with their pictures inside, to send to others: pictures, loss, scores and settings.
    The file needs no other file and no network, and names no folder of this machine but those of the command."""

    group: ClassVar[str] = "input"

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="RUN...")]
    """Run folders."""
    out: Annotated[str, arg("-o", "--output", metavar="FILE.html")] = "report.html"
    """The file."""
    force: bool = False
    """Replace the file if it exists."""

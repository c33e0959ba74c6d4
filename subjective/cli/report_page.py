"""`subjective report`: write runs as one HTML file, to send to others."""

from __future__ import annotations

from pathlib import Path

from subjective.checks import InputError
from subjective.cli.commands.pages import ReportCommand
from subjective.cli.outputs import check_out, write_out
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import TRACE_FILE
from subjective.studio.report import write_report


def run(options: ReportCommand) -> int:
    """Run the command, and print the path of the file that it writes."""
    folders = [Path(run) for run in options.runs]
    for folder in folders:
        if not any((folder / name).is_file() for name in (CONFIG_FILE, TRACE_FILE)):
            raise InputError(f"{str(folder)!r} is no run folder; wanted the path that a command has printed")
    check_out(options, suffixes=[".html"])
    write_out(Path(options.out), write_report(folders).encode("utf-8", "replace"), force=options.force)
    return 0

"""`subjective weights list | show`: say which network parameters there are."""

from __future__ import annotations

import json
import sys

from subjective.cli.commands.networks import WeightsList, WeightsShow
from subjective.network import download, weights


def run(options: WeightsList | WeightsShow) -> int:
    """Run one of the subcommands; return the exit status."""
    return _list(options) if isinstance(options, WeightsList) else _show(options)


def _list(action: WeightsList) -> int:
    rows = [("NAME", "SIZE", "SCALES", "WHERE")]
    for entry in weights.list_networks(action.data_dir):
        rows.append((entry.name, f"{entry.bytes / 1e6:.0f} MB", "yes" if entry.scales else "no", str(entry.path)))
    present = {row[0] for row in rows}
    rows.extend((name, "-", "-", "to be fetched") for name in download.PUBLISHED_FILES if name not in present)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        sys.stdout.write("  ".join([*cells, row[3]]) + "\n")
    return 0


def _show(action: WeightsShow) -> int:
    network = weights.load(action.name, action.data_dir)
    sys.stdout.write(json.dumps(weights.describe(network), indent=2) + "\n")
    return 0

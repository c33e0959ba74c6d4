"""Attack the parsers by hand: ``python -m tests.fuzz --cases 100000`` from the folder of the project."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # `helpers`

from tests.fuzz.campaign import attack
from tests.fuzz.parsers import PARSERS


def main() -> int:
    """Run the campaigns, print a table, and return 1 if a promise was broken."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--cases", type=int, default=2000, help="damaged files for each parser")
    options.add_argument("--first", type=int, default=0, help="number of the first case")
    options.add_argument("--seed", type=int, default=0, help="of the random damage")
    options.add_argument("--parser", nargs="+", choices=PARSERS, default=list(PARSERS), help="default: all")
    options.add_argument("--keep", type=Path, help="folder for the files that broke a promise")
    chosen = options.parse_args()
    broken = 0
    heads = ["parser", "cases", "read", "crashed apart", "broken", "slowest, s", "largest, MB"]
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n")
    for name in chosen.parser:
        began = time.monotonic()
        cases = range(chosen.first, chosen.first + chosen.cases)
        found = attack({name: cases}, chosen.seed, chosen.keep)[name]
        counts = f"{found.cases} | {found.outcomes['read']} | {found.outcomes['crashed']} | {len(found.broken)}"
        sys.stdout.write(f"| {name} | {counts} | {found.seconds:.2f} | {found.bytes / 1e6:.0f} |\n")
        sys.stdout.flush()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
        for case, message in found.broken[:20]:
            sys.stderr.write(f"  case {case}: {message}\n")
        broken += len(found.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

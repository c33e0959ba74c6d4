"""The entry point of the program ``subjective``, and of ``python -m subjective``."""

import sys

from subjective.runs.interrupts import ending_at_once


def main() -> int:
    """Import the command line, and run it; return the exit status. See `subjective.cli.main.main`."""
    with ending_at_once():
        from subjective.cli.main import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())

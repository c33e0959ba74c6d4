"""The entry point of ``python -m subjective``."""

import sys

from subjective.cli.main import main

sys.exit(main())

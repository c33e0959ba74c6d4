"""``python -m subjective``."""

import sys

from subjective.cli import main

sys.exit(main())

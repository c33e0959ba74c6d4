"""What several tests share."""

from helpers import strict_types

__all__ = ["strict_types"]  # the hook that checks annotations looks it up here

"""Checks arguments and results against their annotations; an int will do for a float, as in Python."""

from beartype import BeartypeConf, beartype

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))

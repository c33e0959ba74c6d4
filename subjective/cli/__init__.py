"""The command line: a thin shell over the library, with one file for each command."""

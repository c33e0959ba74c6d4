"""Read network parameters from files of other programs. Each format has a module; `reader` recognizes the format."""

"""The statistics that are measured of a picture, one module each, and how a picture is measured."""

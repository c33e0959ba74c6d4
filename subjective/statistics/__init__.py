"""What is measured of a picture: one file a statistic, then how a picture is looked at."""

"""What judges a picture: measures that no loss minimizes, each beside what a crop of the source scores."""

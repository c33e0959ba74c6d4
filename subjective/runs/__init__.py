"""Keep what a run makes: folders and checkpoints. Show its progress, forecast its memory and handle Ctrl-C."""

"""Run folders: what a run was asked, did and made; checkpoints, progress, memory, Ctrl-C."""

"""Run folders, which hold the settings, steps and results of a run; checkpoints, progress, memory, Ctrl-C."""

"""The options of each command, and the table of commands. Nothing here imports what computes."""

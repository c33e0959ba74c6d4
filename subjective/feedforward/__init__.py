"""Small networks that do in milliseconds what synthesis does in minutes: their training and their use.

`train` makes one out of sources; `network_file` keeps it; `apply_command.painted` and `trainer.draw` use it.
"""

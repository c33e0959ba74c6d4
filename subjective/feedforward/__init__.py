"""Small networks that do in milliseconds what synthesis does in minutes: their training and their use.

`train.train` trains a network on sources; `network_file` writes and reads networks; `repaint.repaint` repaints a
picture with a network, and `train.draw` makes a texture.
"""

"""Small networks that make in one pass the pictures for which a synthesis takes minutes.

`train.train` trains a network on sources; `network_file` writes and reads networks; `repaint.repaint` repaints a
picture with a network, and `train.draw` makes a texture.
"""

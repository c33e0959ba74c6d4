"""VGG as a function of parameters and an image, and where the parameters come from."""

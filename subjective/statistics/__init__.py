"""Statistics of feature maps, one module for each kind, and the code that measures a picture with them."""

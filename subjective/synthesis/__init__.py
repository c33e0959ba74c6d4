"""The four verbs (texture, loop, transfer and novelty) and the modules that the verbs share."""

"""The verbs: a texture, a loop, a transfer, novelty; and what they share."""

"""What a material consists of: its maps, their files, and normals. `subjective.synthesis.material` makes materials."""

"""Planes of tiles with colored corners: how tiles are laid, their files, and a page that shows a plane."""

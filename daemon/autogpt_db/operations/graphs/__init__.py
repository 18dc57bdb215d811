"""Graphs: shown, exported, and who may see them."""

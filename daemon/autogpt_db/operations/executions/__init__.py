"""Executions of graphs and nodes: made, moved on, shown, listed, watched."""

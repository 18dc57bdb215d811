"""Agents as AutoGPT's files: written from the database, and read into it."""

"""Servers and accounts of chat platforms: whose they are, and the tokens that make them so."""

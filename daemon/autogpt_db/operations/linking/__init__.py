"""Accounts of chat platforms, and what links them to users."""

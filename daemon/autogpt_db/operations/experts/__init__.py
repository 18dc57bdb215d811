"""Experts: who run a user's agents, what they may spend, and what they tell."""

"""AutoGPT's bots on chat platforms: what happens to them, where they are, and their tokens."""

"""Users' workspaces: records of their files, whose bytes lie in AutoGPT's own store."""

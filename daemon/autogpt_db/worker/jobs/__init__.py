"""One file per job; the folder is discovered, not listed."""

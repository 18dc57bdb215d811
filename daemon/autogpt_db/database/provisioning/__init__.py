"""The database before anybody is served: awaited, migrated, checked and mended, by main."""

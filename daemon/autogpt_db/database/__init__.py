"""PostgreSQL as this daemon uses it: proof at start, schema, pool, and the embedded server."""

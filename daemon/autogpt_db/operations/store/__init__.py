"""The marketplace, and its search by meaning."""

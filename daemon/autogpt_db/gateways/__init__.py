"""The world outside: Redis, the payment provider, the maker of embeddings."""

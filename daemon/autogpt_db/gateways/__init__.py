"""The world outside: Redis, AutoGPT's scheduler, the payment provider, the maker of embeddings."""

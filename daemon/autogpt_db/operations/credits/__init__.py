"""Users' balances, and the ledger of what changed them."""

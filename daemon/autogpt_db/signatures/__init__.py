"""How an operation is declared, and its request read: annotations, bounds, what is wrong."""

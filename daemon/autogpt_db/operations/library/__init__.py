"""Users' libraries of agents."""

"""Users' notifications, in batches until they are sent."""

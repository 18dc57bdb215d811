"""What writes change, recorded with them and told to who listens: live events."""

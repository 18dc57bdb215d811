"""Users: who they are, what they have set, which credentials and teams they have."""

"""What users are told in the morning."""

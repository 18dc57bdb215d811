"""Chats: what others than their users write into them."""

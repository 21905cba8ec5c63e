"""Passwords: how they are hashed, and how long they must be."""

from argon2 import PasswordHasher

hasher = PasswordHasher()
SHORTEST_PASSWORD = 10
TOO_SHORT = f"The password is too short: take at least {SHORTEST_PASSWORD} characters."

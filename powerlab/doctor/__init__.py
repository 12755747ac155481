"""Checks of this machine and of a bench: each says what it found, and what to do where that is wrong."""

"""Searches of several seeds, compared by strategy."""

"""Rendering of words."""

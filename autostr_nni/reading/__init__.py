"""Trained recognizers: their checkpoints, reading with them, and how well they read."""

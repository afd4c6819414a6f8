"""Architectures and stride paths drawn at random: of all, near another, the largest, those of promise."""

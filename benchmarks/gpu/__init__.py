"""What a GPU makes of this package: steps, parts of them, memory, and a tiny search."""

"""Word image sets on disk: LMDB folders, packed, checked, rendered where they lack. Light: no torch."""

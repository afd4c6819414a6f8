"""NNI's experiment file: reading it, checking it, and what was stored of it."""

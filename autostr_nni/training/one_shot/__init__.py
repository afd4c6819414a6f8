"""One supernet over all paths and operations: its training, and the ranking of nets on its weights."""

"""Word image sets: reading, writing, rendering, batching."""

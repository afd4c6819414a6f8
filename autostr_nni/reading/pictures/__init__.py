"""Pictures of what a recognizer read. Light: no torch."""

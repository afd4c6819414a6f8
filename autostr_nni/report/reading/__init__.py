"""What a search left on disk, read without a server."""

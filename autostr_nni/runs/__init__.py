"""What a search leaves on disk, and what it has shown."""

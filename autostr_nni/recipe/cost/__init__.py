"""What nets of a search may cost, as a recipe writes it."""

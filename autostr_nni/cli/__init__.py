"""The autostr command."""

"""What searches reach for what they cost, and random search's nets beside them at equal cost."""

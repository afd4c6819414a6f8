"""What happens while Lightning trains: between batches, and at the end of an epoch."""

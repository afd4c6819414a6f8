"""What is done to images before a net reads them: what it costs, and what it does."""

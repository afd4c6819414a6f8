"""What a training begins with: its own checkpoint, a lower rung's, or the weights of another net."""

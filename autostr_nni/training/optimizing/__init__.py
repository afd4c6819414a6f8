"""How weights are moved: optimizers, learning rates, averages."""

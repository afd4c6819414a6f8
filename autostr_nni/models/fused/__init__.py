"""The blocks' mathematics in fewer passes over memory, for training on CPU; results do not depend on it."""

"""The recipe: data, model, training, search and seed of a search."""

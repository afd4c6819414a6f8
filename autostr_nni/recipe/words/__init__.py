"""Words in a recipe: the sets and their shares, the characters, and the figure that they are counted by."""

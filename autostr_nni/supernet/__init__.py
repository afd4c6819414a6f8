"""The supernet of step 2: choice blocks, architecture parameters, their gradients, and the net derived."""

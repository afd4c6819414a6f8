"""NNI's manager: starting it, following it, mending it. The .cjs files are loaded into it."""

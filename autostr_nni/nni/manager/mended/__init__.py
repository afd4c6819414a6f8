"""Loaded into the process of NNI's manager, and mended there: `preload.cjs` loads the others."""

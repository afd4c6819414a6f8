"""NNI's manager: starting it, following it, ending it. What is mended in it is in `mended`."""

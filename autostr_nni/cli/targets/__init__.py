"""Several targets at the command line."""

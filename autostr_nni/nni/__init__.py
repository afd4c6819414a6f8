"""Adapters to NNI 3.0: tuner, launcher, trial parameters."""

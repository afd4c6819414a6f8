"""Training and evaluation of recognizers and supernets."""

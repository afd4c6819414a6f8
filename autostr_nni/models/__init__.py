"""Rectifier, backbone, feature translator and the recognizer made of them."""

"""Trials on other machines over SSH."""

"""Latency tables of the paper's space on this machine's CPU, each measured twice."""

"""One training over several devices: a process for each."""

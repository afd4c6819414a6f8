"""What every part stands on: errors, files, memory, processes. Light: no torch."""

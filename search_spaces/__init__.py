"""What can be searched: stride paths, operations and architectures."""

"""How long nets take on a device: every block of a space is timed, and whole nets are predicted from that."""

"""From the bytes of a picture to pixels of a fixed size. Light: no torch."""

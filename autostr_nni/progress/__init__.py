"""How far a search is: trials done, the best so far, the time left, on one line. Light: no torch."""

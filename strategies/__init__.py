"""How the space is searched: ask/tell strategies and the operator search."""

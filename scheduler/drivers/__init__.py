"""Who says "look now". A driver knows when to look, never what is due."""

"""Which files of a folder are lessons, and in which order."""

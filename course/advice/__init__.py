"""The rules of `course check`, by what they look at."""

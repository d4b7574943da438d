"""What a lesson file is made of, read without rendering it: tokens, code, expressions, limits."""

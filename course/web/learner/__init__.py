"""Pages for the people who learn. Knows nothing of the admin pages."""

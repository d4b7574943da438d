"""What providers are made of: sockets, deadlines, replies. No provider lives here."""

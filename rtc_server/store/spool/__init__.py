"""What the database did not take, in a small SQLite database beside the server, until it does."""

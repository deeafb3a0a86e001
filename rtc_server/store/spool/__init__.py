"""A small SQLite database on the server's disk, which keeps sessions while the real database is away."""

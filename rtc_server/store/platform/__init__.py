"""Rows of the platform's own table: which one, what it says, and when it goes."""

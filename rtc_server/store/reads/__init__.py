"""Reads for teachers and learners: lists of sessions, and sums. Each goes by an index of our own."""

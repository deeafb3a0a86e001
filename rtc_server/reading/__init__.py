"""Reads, in a process of their own: what teachers ask for costs no learner a millisecond of the event loop."""

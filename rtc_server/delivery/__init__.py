"""Sends events to other systems. Knows HTTP, and no SQL: what waits is given to it as `OutboxRows`."""

"""Events that wait to be sent to other systems, in the database. What sends them is in `delivery`."""

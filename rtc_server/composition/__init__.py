"""The parts of the server, each built from the settings by one function and ended by whoever called it."""

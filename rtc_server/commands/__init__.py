"""What `rtc-server` can do, a module each.

A command module is light to import (what is heavy is imported in `run`) and has

- `HELP`: one line for `rtc-server --help`,
- `add_arguments(parser)`: its own options,
- `run(arguments, settings) -> int`: does it and returns the exit code.

Errors of our own tree (`rtc_server.errors`) may be raised: `__main__` says them in one line.
"""

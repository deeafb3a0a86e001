"""The commands of `rtc-server`, one module each.

A command module is fast to import (slow imports are in `run`) and has

- `HELP`: one line for `rtc-server --help`,
- `add_arguments(parser)`: its own options,
- `run(arguments, settings) -> int`: runs the command and returns the exit code.

It may raise the errors of `rtc_server.errors`: `__main__` prints them in one line.
"""

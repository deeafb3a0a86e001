"""What this machine does, measured: `make bench`, or `python -m bench NAME`.

Ratios are taken within one run, on the same clip; server and load have a core each; numbers are
medians with their spread. `--write` puts them into docs/benchmarks.md.
"""

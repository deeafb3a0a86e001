#!/bin/sh
# Prints the first Python of a version this project runs on (3.11 or 3.12; MediaPipe's wheels end there).
# Each candidate is run, not only looked up: a version manager's shim may stand for nothing.
for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3 python; do
    if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
done
echo "No Python 3.11 or 3.12 found. On Debian 12: apt-get install python3.11-venv. Elsewhere: make PYTHON=/path/to/python3.11 …" >&2
exit 1

#!/bin/sh
# usage: scripts/mutate.sh VENV "MODULES" "TESTS"
# Changes one thing after another in the modules, and lists the changes that none of the tests notices. It works on a
# copy of what is committed, and takes about a second for each change. mutmut is installed beside VENV, not into it.
set -eu
cd "$(dirname "$0")/.."
venv=$(cd "$1" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git archive HEAD | tar -x -C "$copy"
"$venv/bin/python" -m venv "$copy/.tools"
"$copy/.tools/bin/pip" --disable-pip-version-check -qq install mutmut==3.8.1
"$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    >"$("$copy/.tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tested.pth"
cd "$copy"
lines() { for one in $1; do echo "    $one"; done; }
set -f
cat >setup.cfg <<END
[mutmut]
source_paths=
    rtc_server
only_mutate=
$(lines "$2")
also_copy=
$(lines "rtc_server README.md docs static turn bench")
pytest_add_cli_args=
$(lines "-p no:cacheprovider -W ignore")
pytest_add_cli_args_test_selection=
$(lines "$3")
END
.tools/bin/mutmut run --max-children 1 | tr '\r' '\n' | tail -n 1
for mutant in $(.tools/bin/mutmut results | sed -n 's/^ *\(.*\): survived$/\1/p'); do
    echo "$mutant"
    .tools/bin/mutmut show "$mutant" | grep '^[-+] ' || true
done

#!/bin/sh
# usage: check_wheel.sh PYTHON
# Builds the sdist and from it the wheel, installs the wheel in a fresh environment and runs the fast
# tests against it, away from the source tree.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
rm -rf build
.venv/bin/python -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
rm -rf build
"$1" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q --upgrade pip
wheel=$(ls "$work"/dist/*.whl)
"$work/venv/bin/python" -m pip install -q "$wheel[dev]"
"$work/venv/bin/python" -m pip check
cp -r tests setup.cfg "$work"
cp -r benchmarks examples "$work"
cd "$work"
EDGECV_ZOO_MIRROR=${EDGECV_ZOO_MIRROR:-$root/../shared/zoo}
EDGECV_DATA=${EDGECV_DATA:-$root/../shared/data}
[ -d "$EDGECV_ZOO_MIRROR" ] && export EDGECV_ZOO_MIRROR EDGECV_DATA || unset EDGECV_ZOO_MIRROR EDGECV_DATA
"$work/venv/bin/pytest" -n auto --dist loadgroup -m "not slow" -c setup.cfg --rootdir .

#!/bin/sh
# usage: run_tests.sh FOLDER     the tests that tests.txt chooses, emulated, away from the source tree
set -eu
folder=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/tools/arm"
rm -rf "$folder/work" "$folder/tmp"
mkdir -p "$folder/work"
cp -r "$root/tests" "$root/setup.cfg" "$folder/work"
find "$folder/work" -name __pycache__ -prune -exec rm -r {} +
cd "$folder/work"
# These tests need no public models (with them some take minutes) and no TensorFlow.
unset EDGECV_ZOO_MIRROR
# shellcheck disable=SC2046  # many words are meant, and patterns of files
exec sh "$tools/emulate.sh" "$folder" "$folder/pi:$folder/more" -m pytest -c setup.cfg --rootdir . \
    -q -p no:cacheprovider --durations 5 \
    -m "not slow and not zoo and not data and not gcc and not browser and not mqtt and not qnn and not rtsp" \
    -k "not keras" $(sed 's/ *#.*//' "$tools/tests.txt")

#!/bin/sh
# usage: install.sh PYTHON FOLDER     the SDK with its aarch64 wheels, as on a Raspberry Pi
# FOLDER/pi is what `pip install "edgecv[pi]"` brings, FOLDER/more what the tests want besides, and
# FOLDER/dist has our own wheel.
set -eu
python=$1
folder=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
limit_mb=300

aarch64() { # usage: aarch64 TARGET REQUIREMENT...
    target=$1
    shift
    # shellcheck disable=SC2046  # many words are meant: wheels for Debian 12's glibc 2.36 and older
    "$python" -m pip install -qq --only-binary=:all: --python-version 3.11 --target "$target" \
        $(seq -f '--platform manylinux_2_%g_aarch64' 36 -1 17) --platform manylinux2014_aarch64 "$@"
}

rm -rf "$folder/dist" "$folder/pi" "$folder/more"
cd "$root"
"$python" -m build --outdir "$folder/dist" . >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
wheel=$(ls "$folder"/dist/*.whl)
aarch64 "$folder/pi" "$wheel[pi]"
# The other two runtimes are tested as well; their files are written with onnx.
aarch64 "$folder/more" "$wheel[onnx,openvino]" onnx pytest
rm -rf "$folder/more/edgecv" "$folder"/more/edgecv-* # the one in pi is tested

size_mb=$(du -sm "$folder/pi" | cut -f1)
echo "edgecv[pi] on aarch64, Python 3.11: $size_mb MB installed, of $limit_mb MB allowed"
(cd "$folder/pi" && du -sm ./* | sort -rn | head -4 | sed 's|\./||')
[ "$size_mb" -le "$limit_mb" ] || { echo "edgecv[pi] is larger than $limit_mb MB" >&2; exit 1; }

#!/bin/sh
# usage: compare.sh PYTHON FOLDER     detection, pose and face ID, here and emulated, side by side
set -eu
python=$1
folder=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/tools/arm"
sets=own,public
if [ ! -d "${EDGECV_ZOO_MIRROR:-}" ]; then
    echo "left out: the public models, as EDGECV_ZOO_MIRROR names no folder of them"
    sets=own
fi
data=${EDGECV_DATA:-$root/../shared/data}
faces=$data/lfw_eval
if [ ! -d "$faces" ]; then
    echo "left out: face identification needs photographs of faces, and there is no $faces"
    faces=
fi
rm -rf "$folder/photos" "$folder/home" "$folder/cache" # the SSD is rewritten to int8 anew, on both
"$python" "$tools/photos.py" "$folder/photos"
EDGECV_CACHE="$folder/cache" "$python" "$tools/results.py" "$folder/photos" "$folder/x86.json" \
    "$sets" ${faces:+"$faces"} 2>"$folder/x86.log" || { cat "$folder/x86.log" >&2; exit 1; }
sh "$tools/emulate.sh" "$folder" "$folder/pi" "$tools/results.py" "$folder/photos" \
    "$folder/arm.json" "$sets" ${faces:+"$faces"} 2>"$folder/arm.log" || { cat "$folder/arm.log" >&2; exit 1; }
"$python" "$tools/compare.py" "$folder/x86.json" "$folder/arm.json"

#!/bin/sh
# Builds sdist and wheel into dist, and tries the wheel in an empty environment: package.sh PYTHON
set -eu
python=${1:-python3}
presets=$PWD/zoo/presets
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

rm -rf dist
"$python" -m venv "$temporary/build"
"$temporary/build/bin/python" -m pip install -q --disable-pip-version-check build
"$temporary/build/bin/python" -m build --outdir dist . > "$temporary/log" 2>&1 || { cat "$temporary/log"; exit 1; }
for file in dist/*; do
  size=$(($(wc -c < "$file") / 1000000))
  echo "$file: $size MB"
  test "$size" -le 30 || { echo "It must have 30 MB at most: see MANIFEST.in."; exit 1; }
done

"$python" -m venv "$temporary/empty"
"$temporary/empty/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt dist/*.whl
cd "$temporary" # so that the installed zoo is imported
export PATH="$temporary/empty/bin:$PATH" ZOO_DATA_DIR="$temporary/data" TF_CPP_MIN_LOG_LEVEL=3
python -c "import zoo; print(zoo.__version__, zoo.__file__)"
zoo predict imdb_lstm "a wonderful film"
zoo predict multi30k_de_en_gru "Ein Hund läuft."
# The weights of this one are not in the wheel.
ZOO_PRESETS=$presets zoo generate tiny_shakespeare_gru "The king" --length 20

#!/usr/bin/env bash
# Searches of five seeds by several strategies at equal images, one after another, then their comparison.
#   benchmarks/letters/run.sh [FOLDER] [STRATEGY…]     goes on where it was stopped
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-runs/letters}")
shift || true
[ $# -gt 0 ] || set -- halving random
mkdir -p "$out"
for seed in ${SEEDS:-0 1 2 3 4}; do
  for name in "$@"; do
    recipe=recipe.yml
    [ ! -f "$here/$name.recipe.yml" ] || recipe=$name.recipe.yml
    sed "s/^seed: .*/seed: $seed/" "$here/$recipe" > "$out/${recipe%.yml}-$seed.yml"
    sed "s/${recipe//./\\.}/${recipe%.yml}-$seed.yml/" "$here/$name.yml" > "$out/$name-$seed.yml"
    autostr search "$out/$name-$seed.yml" --in-process --out "$out/$name-$seed"
  done
done
autostr report "$out"/*-[0-9] --out "$out/comparison" --force  # what a stopped run had, is written anew

#!/usr/bin/env bash
# Searches on real words by several strategies at equal images, three seeds, one after another, then their comparison.
#   benchmarks/real_words/run.sh FOLDER DATA [STRATEGY…]     goes on where it was stopped
# DATA has the sets that examples/real_words/README.md names. SEEDS="0 1" and TARGETS="scene receipts" choose others;
# with NNI=1 the searches run through NNI, else without it.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2; exit 2; }
example=$(cd "$(dirname "$0")/../../examples/real_words" && pwd)
out=$(realpath -m "$1") data=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- halving random
read -ra targets <<< "${TARGETS:-scene}"
options=("${targets[@]/#/--target=}")
[ -n "${NNI:-}" ] || options+=(--in-process)
status=0  # of the last search that found nothing: the others go on
mkdir -p "$out"
ln -sfn "$data" "$out/real"
printf 'real\nwords\n' > "$out/.nniignore"
for seed in ${SEEDS:-0 1 2}; do
  sed "s/^seed: .*/seed: $seed/" "${RECIPE:-$example/recipe.yml}" > "$out/recipe-$seed.yml"
  for name in "$@"; do
    sed "s/recipe\.yml/recipe-$seed.yml/" "$example/$name.yml" > "$out/$name-$seed.yml"
    autostr search "$out/$name-$seed.yml" "${options[@]}" --out "$out/searches/$name-$seed" || status=$?
  done
done
autostr report "$out"/searches/* --out "$out/comparison" --force
exit $status

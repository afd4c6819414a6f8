#!/bin/sh
# Puts the wheels that `python -m benchmarks.gpu` needs beside PyTorch, Lightning, OpenCV and Pillow into .whl/ of the
# repository, under 30 MB, for a machine without network with Python 3.12 (or PYTHON=3.11 sh benchmarks/gpu/pack.sh).
# There: python3 -m pip install --no-index --no-deps --target /tmp/site .whl/*.whl
#        PYTHONPATH=/tmp/site python3 -m benchmarks.gpu --out runs/gpu.json
set -eu
cd "$(dirname "$0")/../.."
mkdir -p .whl
python3 -m pip download --no-deps --only-binary=:all: --implementation cp --python-version "${PYTHON:-3.12}" \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_24_x86_64 \
  --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
  -d .whl pydantic==2.14.4 pydantic-core==2.50.5 annotated-types typing-inspection lmdb simplejpeg rapidfuzz
du -sh .whl

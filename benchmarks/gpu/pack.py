"""Wheels that `python -m benchmarks.gpu` needs, for a machine without network: under 30 MB.

    python benchmarks/gpu/pack.py [--python 3.12] [--out .whl]

The machine has Linux on x86-64 with PyTorch, torchvision, Lightning, NumPy, SciPy, pandas, OpenCV and Pillow.
NNI's wheel is brought along without its manager and Node, which the benchmark does not use. There:

    python3 -m pip install --no-index --no-deps --target /tmp/site .whl/*.whl
    PYTHONPATH=/tmp/site python3 -m benchmarks.gpu --out runs/gpu.json
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGES = (
    "nni==3.0",
    "json-tricks",
    "schema",
    "typeguard<4.1.3",
    "pydantic>=2.6,<3",
    "pydantic-core",
    "annotated-types",
    "typing-inspection",
    "lmdb",
    "simplejpeg",
    "rapidfuzz",
)
GLIBC = (17, 24, 27, 28)
LEFT_OUT = "nni_node/"
MOST = 30_000_000  # bytes


def main() -> int:
    """Download, lighten, and say how large it is; 1 where it is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", default="3.12", help="that of the machine")
    parser.add_argument("--out", type=Path, default=Path(".whl"))
    args = parser.parse_args()
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC] + [
        "manylinux2014_x86_64",
        "manylinux1_x86_64",
    ]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", args.python, "-d", str(args.out)]
    for platform in platforms:
        command += ["--platform", platform]
    subprocess.run([*command, *PACKAGES], check=True, stdout=subprocess.DEVNULL)
    for wheel in args.out.glob("nni-*.whl"):
        lighten(wheel)
    sizes = {wheel.name: wheel.stat().st_size for wheel in sorted(args.out.glob("*.whl"))}
    for name, size in sizes.items():
        print(f"{size / 1e6:6.2f} MB  {name}")
    print(f"{sum(sizes.values()) / 1e6:6.2f} MB in all, in {args.out}")
    return int(sum(sizes.values()) > MOST)


def lighten(wheel: Path) -> None:
    """Leave NNI's manager out of its wheel, and out of the wheel's list of files."""
    part = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as light:
        for item in whole.infolist():
            if item.filename.startswith(LEFT_OUT) or f".data/purelib/{LEFT_OUT}" in item.filename:
                continue
            content = whole.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if LEFT_OUT not in line).encode()
            light.writestr(item, content)
    part.replace(wheel)


if __name__ == "__main__":
    sys.exit(main())

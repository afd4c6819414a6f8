"""`autostr read`: the text of word images."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autostr_nni.search_spaces.errors import InputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"})


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "read",
        help="read word images",
        description="Read cropped word images: one line each of file, text and confidence. An image that "
        "cannot be opened gets a line on stderr, the rest are read, and the exit status is 1.",
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="best.ckpt of a trained net")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files, or folders of them")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="images per batch (64)")
    parser.add_argument("--beam", type=int, default=1, metavar="WIDTH", help="beam search width (1: greedy)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read and print, a batch at a time."""
    if args.batch_size < 1 or args.beam < 1:
        raise InputError("--batch-size and --beam must be at least 1")
    files = list(find_images(args.images))
    from autostr_nni.training.checkpoint import load_trained, pick_device
    from autostr_nni.training.reading import read_files

    trained = load_trained(args.checkpoint, pick_device(args.device))
    unreadable = 0
    for file, reading in read_files(trained, files, args.batch_size, args.beam):
        if reading is None:
            unreadable += 1
            print(f"autostr: error: {file}: not an image that can be decoded", file=sys.stderr)
        elif args.json:
            text, confidence = reading
            record = {"image": str(file), "text": text, "confidence": round(confidence, 6)}
            print(json.dumps(record, ensure_ascii=False))
        else:
            print(f"{file}\t{reading[0]}\t{reading[1]:.3f}")
    return 1 if unreadable else 0


def find_images(names: list[str]) -> Iterator[Path]:
    """The files named, and the images in the folders named, sorted. Raises InputError for what is missing."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not found:
                raise InputError(f"{path}: the folder holds no image ({', '.join(sorted(SUFFIXES))})")
            yield from found
        elif path.exists():
            yield path
        else:
            raise InputError(f"{path}: no such image or folder")

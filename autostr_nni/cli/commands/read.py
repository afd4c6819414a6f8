"""`autostr read`: the text of word images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.nets import NET_HELP, checkpoint
from autostr_nni.cli.output import complain, remark, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.system.errors import InputError, escaped

if TYPE_CHECKING:
    from autostr_nni.reading.checkpoint import Trained


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "read",
        help="read word images",
        description="Read cropped word images: one line each of file, text and confidence. An image that "
        "cannot be opened gets a line on stderr, the rest are read, and the exit status is 1.",
    )
    parser.add_argument("checkpoint", metavar="NET", type=path_text, help=NET_HELP)
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        type=path_text,
        help="image files, folders, or patterns such as 'crops/*.png'",
    )
    parser.add_argument(
        "--show",
        metavar="DIR",
        type=path,
        help="draw each image there as PNG: rectified, and attention by character",
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="images per batch (64)")
    parser.add_argument("--beam", type=int, default=1, metavar="WIDTH", help="beam search width (1: greedy)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read and print, a batch at a time."""
    if args.batch_size < 1 or args.beam < 1:
        raise InputError("--batch-size and --beam must be at least 1")
    from autostr_nni.data.decoding.image_files import find_images

    found = find_images(args.images)
    for sentence in found.left_out:
        remark(sentence)
    from autostr_nni.reading.checkpoint import load_trained, pick_device
    from autostr_nni.reading.read_files import check_beam, read_files, use_threads, why_unread
    from autostr_nni.system.freed_memory import keep_freed_memory

    if args.show is not None and args.beam > 1:
        raise InputError("--show draws greedy reading: leave --beam out")
    if args.show is not None:
        place = args.show.resolve()
        own = [file for file in found.files if file.resolve().parent == place and file.suffix == ".png"]
        if own:
            raise InputError(f"--show {args.show}: {own[0]} lies there and may be written over; name another")
    keep_freed_memory()
    trained = load_trained(checkpoint(args.checkpoint), pick_device(args.device))
    use_threads(trained.recipe)
    check_beam(trained, args.beam)
    pictures = None if args.show is None else Pictures(trained, args.show)
    unreadable = 0
    for file, reading in read_files(trained, found.files, args.batch_size, args.beam, _warn):
        if reading is None:
            unreadable += 1
            complain(f"{file}: {why_unread(file)}")
        elif args.json:
            text, confidence = reading
            record = {"image": str(file), "text": text, "confidence": round(confidence, 6)}
            say_json(record)
        else:
            print(f"{escaped(str(file))}\t{escaped(reading[0])}\t{reading[1]:.3f}")
        if pictures is not None and reading is not None:
            pictures.draw(file)
    return 1 if unreadable else 0


def _warn(file: Path) -> None:
    remark(f"{file}: is of one colour, so that no letter is to be seen")


class Pictures:
    """Draws images into a folder as they are read, each under the name of its file."""

    def __init__(self, trained: Trained, folder: Path) -> None:
        self.trained, self.folder = trained, folder
        self.taken: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}; name another folder") from None

    def draw(self, file: Path) -> None:
        """Draw one image; files of the same name, from several folders, are numbered."""
        from autostr_nni.reading.attention import look
        from autostr_nni.reading.pictures.attention import draw_sight
        from autostr_nni.reading.pictures.canvas import save

        sight = look(self.trained, file)
        if sight is None:  # it has vanished meanwhile
            return
        name, number = file.stem, 1
        while name in self.taken:
            number += 1
            name = f"{file.stem}-{number}"
        self.taken.add(name)
        save(draw_sight(sight, str(file)), self.folder / f"{name}.png")

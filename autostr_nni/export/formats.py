"""The file formats: how each is written, and how it is run again to be checked."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autostr_nni.export.about import EXTRA_FILE, INPUT
from autostr_nni.system.errors import InputError
from autostr_nni.system.installing import how_to_install

Images = np.ndarray  # uint8 [B, 3, h, w]
Run = Callable[[Images], list[np.ndarray]]

#: grid_sample, the rectifier's, is there from opset 16 on.
OPSET = 17
_EXAMPLE_BATCH = 2  # torch.export takes a batch of 1 for a constant


@dataclass(frozen=True)
class Format:
    """A file format: its name, the packages that it needs beside torch, its writer and its reader."""

    name: str
    needs: tuple[str, ...]
    write: Callable[[nn.Module, Tensor, Path, tuple[str, ...], Mapping[str, str]], None]
    load: Callable[[Path], Run]

    def check_installed(self) -> None:
        """Raise InputError, which says what to install, where a package is missing."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise InputError(
                f"export to {self.name} needs {' and '.join(missing)}: "
                f"install with `{how_to_install(*missing)}`"
            )


def example(height: int, width: int) -> Tensor:
    """Images to trace a net with."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (_EXAMPLE_BATCH, 3, height, width), dtype=torch.uint8, generator=generator)


def write_onnx(
    net: nn.Module, images: Tensor, path: Path, outputs: tuple[str, ...], about: Mapping[str, str]
) -> None:
    """ONNX with a dynamic batch, through TorchScript.

    torch's newer exporter writes every step of the LSTM by itself instead of ONNX's own LSTM: seven times as
    long to export the paper's net.
    """
    import onnx

    with _quiet():
        torch.onnx.export(
            net,
            (images,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *outputs)},
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(about))
    onnx.save(model, path)


def load_onnx(path: Path) -> Run:
    """Run an ONNX file with onnxruntime, on as many threads as torch uses."""
    session = onnx_session(str(path))

    def run(images: Images) -> list[np.ndarray]:
        found: list[np.ndarray] = session.run(None, {INPUT: images})
        return found

    return run


def onnx_session(model: str | bytes, profile: Path | None = None) -> Any:
    """onnxruntime's session of a file or its bytes, on as many threads as torch uses.

    ``profile`` is what the name of a profile of its nodes begins with, where one is wanted.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def write_exported(
    net: nn.Module, images: Tensor, path: Path, outputs: tuple[str, ...], about: Mapping[str, str]
) -> None:
    """A torch.export archive with a dynamic batch."""
    batch = torch.export.Dim("batch", min=1, max=65536)
    with _quiet():
        program = torch.export.export(net, (images,), dynamic_shapes={INPUT: {0: batch}}, strict=False)
        torch.export.save(program, path, extra_files={EXTRA_FILE: json.dumps(about)})


def load_exported(path: Path) -> Run:
    """Run a torch.export archive."""
    with _quiet():
        return _run_torch(torch.export.load(path).module())


def write_torchscript(
    net: nn.Module, images: Tensor, path: Path, outputs: tuple[str, ...], about: Mapping[str, str]
) -> None:
    """A traced TorchScript file."""
    with _quiet():
        traced = torch.jit.trace(net, (images,), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files={EXTRA_FILE: json.dumps(about)})


def load_torchscript(path: Path) -> Run:
    """Run a TorchScript file."""
    with _quiet():
        return _run_torch(torch.jit.load(str(path)))  # type: ignore[no-untyped-call]


def _run_torch(net: Callable[[Tensor], Any]) -> Run:
    def run(images: Images) -> list[np.ndarray]:
        with torch.inference_mode():
            found = net(torch.from_numpy(images))
        return [tensor.numpy() for tensor in (found if isinstance(found, tuple | list) else (found,))]

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what exporters say to their own developers; what fails still raises."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMATS: dict[str, Format] = {
    ".onnx": Format("ONNX", ("onnx", "onnxruntime"), write_onnx, load_onnx),
    ".pt2": Format("torch.export", (), write_exported, load_exported),
    ".pt": Format("TorchScript", (), write_torchscript, load_torchscript),
}

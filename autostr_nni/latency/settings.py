"""What is measured on: a runtime with its threads, batch and precision, and the machine. Light: no torch."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autostr_nni import __version__
from autostr_nni.system.errors import InputError
from autostr_nni.system.installing import how_to_install
from autostr_nni.system.threads import usable_cores

RUNTIMES = ("torch-cpu", "torch-cuda", "onnxruntime-cpu")
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Settings:
    """A runtime and how it is used. A GPU's nets run on one CPU thread, whatever `threads` says."""

    runtime: str = "torch-cpu"
    threads: int = 1
    batch: int = 1
    precision: str = "float32"

    @property
    def device(self) -> str:
        """All of it in words: `torch-cpu, 1 thread, batch 1, float32`."""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}, "
        on_gpu = self.runtime == "torch-cuda"
        return f"{self.runtime}, {'' if on_gpu else threads}batch {self.batch}, {self.precision}"

    def check(self) -> None:
        """Raise InputError for what cannot be measured on this machine; the sentence names the option."""
        for name, value in (("--threads", self.threads), ("--batch", self.batch)):
            if value < 1:
                raise InputError(f"{name}: {value} is too few, give at least 1")
        cores = usable_cores()
        if self.threads > cores:
            raise InputError(f"--threads: this machine has {cores} to use, not {self.threads}")
        if self.runtime == "torch-cuda":
            import torch

            if not torch.cuda.is_available():
                raise InputError("--runtime: torch sees no GPU on this machine; use torch-cpu")
        elif self.precision != "float32":
            raise InputError(f"--precision: {self.runtime} is measured in float32; leave the option out")
        missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
        if self.runtime == "onnxruntime-cpu" and missing:
            raise InputError(
                f"--runtime: {self.runtime} needs {' and '.join(missing)}: "
                f"install with `{how_to_install(*missing)}`"
            )


def machine(settings: Settings) -> dict[str, Any]:
    """The machine and the versions that compute: a measurement is of these alone."""
    told: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "autostr_nni": __version__,
        "torch": _version("torch"),
    }
    if settings.runtime == "onnxruntime-cpu":
        told["onnxruntime"] = _version("onnxruntime")
    if settings.runtime == "torch-cuda":
        import torch

        told |= {
            "gpu": torch.cuda.get_device_name(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return told


def machine_text(told: dict[str, Any]) -> str:
    """The same in a line, as far as people ask."""
    cores = f"{told['usable_cores']} core{'s' * (told['usable_cores'] > 1)}"
    runtime = f"onnxruntime {told['onnxruntime']}" if "onnxruntime" in told else f"torch {told['torch']}"
    return f"{told['gpu']}, {runtime}" if "gpu" in told else f"{told['cpu']}, {cores}, {runtime}"


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return str(metadata.version(package))
    except metadata.PackageNotFoundError:
        return None


# Tells a line of progress.
Tell = Callable[[str], None]

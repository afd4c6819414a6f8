"""Small generated sets."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from autostr_nni.data.sets.lmdb_write import image_key, label_key, write_lmdb
from autostr_nni.data.synth.glyphs import matplotlib_fonts


@pytest.fixture(autouse=True, scope="session")
def font_memory(tmp_path_factory: pytest.TempPathFactory):
    """Keep the user's cache folder out of the tests; one memory of fonts serves them all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Makes encoded pictures: noise of a size, mode and format, or of one shade."""

    def make(
        size: tuple[int, int] = (40, 16), shade: int | None = None, mode: str = "RGB", form: str = "JPEG"
    ) -> bytes:
        if shade is None:
            values = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            image = Image.fromarray(values).convert(mode)
        else:
            image = Image.new("RGB", size, (shade,) * 3).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, form)
        return buffer.getvalue()

    return make


@pytest.fixture
def word_set(tmp_path: Path, picture) -> Callable[..., Path]:
    """Writes a set of labels; the i-th picture has shade i."""

    def make(labels: list[str], name: str = "set") -> Path:
        write_lmdb(tmp_path / name, [(picture(shade=i % 256), label) for i, label in enumerate(labels)])
        return tmp_path / name

    return make


@pytest.fixture
def raw_set(tmp_path: Path) -> Callable[..., Path]:
    """Writes a set of exactly the given images and labels (None: left out), however wrong."""

    def make(
        samples: list[tuple[bytes | None, bytes | None]], count: bytes | None = None, name: str = "raw"
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        environment = lmdb.open(str(folder), map_size=1 << 24)
        with environment.begin(write=True) as transaction:
            for number, (image, label) in enumerate(samples, start=1):
                if image is not None:
                    transaction.put(image_key(number), image)
                if label is not None:
                    transaction.put(label_key(number), label)
            if count != b"":
                transaction.put(b"num-samples", count or b"%d" % len(samples))
        environment.close()
        return folder

    return make


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Two faces and nothing of the system, so that the tests run alike everywhere."""
    folder = tmp_path_factory.mktemp("fonts")
    for name in ("DejaVuSans-Bold", "DejaVuSerif"):
        shutil.copy(matplotlib_fonts() / f"{name}.ttf", folder)
    return {"fonts": (str(folder),), "system_fonts": False, "source": "digits:1-4"}

"""Good files to damage, and a process of its own that reads what was damaged."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_cases import place
from fuzz_worker import Reader


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Runs commands in another process, which may die or hang."""
    with Reader(tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("reader")) as found:
        yield found


@pytest.fixture(scope="session")
def good(reader: Reader) -> Path:
    """The folder of good files that `fuzz_good.make` has filled; read only."""
    return reader.good


@pytest.fixture
def work(good: Path, tmp_path: Path) -> Path:
    """A folder with good files of every kind."""
    return place(
        good, tmp_path / "work", "recipe.yml", "experiment.yml", "net.ckpt", "word.png", "words", "fonts"
    )

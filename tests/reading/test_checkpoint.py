"""Checkpoints of recognizers: exact, plain, and refused in words where they are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.reading.checkpoint import load_trained, save_file, save_trained
from autostr_nni.runs.layout import BEST, LAST
from autostr_nni.system.errors import InputError


@pytest.fixture
def best(finished, steps) -> Path:
    return finished(steps["train"])[0] / BEST


def test_round_trip(tmp_path, best):
    trained = load_trained(best)
    save_trained(tmp_path / "again.ckpt", trained)
    again = load_trained(str(tmp_path / "again.ckpt"))
    assert again.recipe == trained.recipe and again.space == trained.space
    assert again.architecture == trained.architecture and again.metrics == trained.metrics
    assert not again.recognizer.training
    for key, value in trained.recognizer.state_dict().items():
        assert torch.equal(value, again.recognizer.state_dict()[key])
    images = torch.randint(0, 256, (2, 3, 32, 24), dtype=torch.uint8)
    a, b = (net.recognizer.read(images, 4) for net in (trained, again))
    assert torch.equal(a.ids, b.ids) and torch.equal(a.confidence, b.confidence)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, best, share):
    content = best.read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"cut\.ckpt: not a readable checkpoint") as error:
        load_trained(tmp_path / "cut.ckpt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".pt2"])
def test_an_exported_net_is_none(tmp_path, suffix):
    """It is sound, and to be read by others."""
    (tmp_path / f"net{suffix}").write_bytes(b"what torch.load does not know")
    with pytest.raises(InputError, match="is an exported net; give the best.ckpt that it was made of$"):
        load_trained(tmp_path / f"net{suffix}")


def test_a_missing_file_is_refused(tmp_path):
    for path in (tmp_path / "none.ckpt", tmp_path):
        with pytest.raises(InputError, match="no such checkpoint"):
            load_trained(path)


class Evil:
    """Unpickling this would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path):
    torch.save(
        {"format": "autostr_nni recognizer 1", "recipe": Evil(tmp_path / "harm")}, tmp_path / "evil.ckpt"
    )
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_trained(tmp_path / "evil.ckpt")
    assert not (tmp_path / "harm").exists()


def test_other_files_are_refused(tmp_path, finished, steps):
    torch.save({"weights": {}}, tmp_path / "other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    for path in (tmp_path / "other.ckpt", tmp_path / "list.ckpt", finished(steps["train"])[0] / LAST):
        with pytest.raises(InputError, match="holds no recognizer"):
            load_trained(path)


@pytest.mark.parametrize("key", ["recipe", "stage_layers", "architecture", "metrics", "weights"])
@pytest.mark.parametrize("value", [None, "missing", "{"])
def test_a_damaged_part_is_refused(tmp_path, best, key, value):
    content = torch.load(best, weights_only=True)
    if value == "missing":
        del content[key]
    else:
        content[key] = value
    save_file(tmp_path / "part.ckpt", content)
    with pytest.raises(InputError):
        load_trained(tmp_path / "part.ckpt")


def test_weights_of_another_size_are_refused(tmp_path, best):
    content = torch.load(best, weights_only=True)
    content["weights"]["decoder.classify.weight"] = torch.zeros(2, 2)
    save_file(tmp_path / "size.ckpt", content)
    with pytest.raises(InputError, match="do not fit"):
        load_trained(tmp_path / "size.ckpt")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.ckpt"
    save_file(path, {"x": 1})
    with pytest.raises(Exception, match="pickle"):
        save_file(path, {"x": lambda: 0})
    assert torch.load(path) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


def test_a_fault_of_the_machine_is_no_damage(best, monkeypatch):
    """As `getpass.getuser` raises for a user without a name, deep in an import of torch."""
    from autostr_nni.reading import checkpoint
    from autostr_nni.training.going_on.continuing import checkpoint_of

    def nameless(*arguments):
        raise KeyError("getpwuid(): uid not found: 12345")

    def locked(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "build_recognizer", nameless)
        with pytest.raises(KeyError, match="uid not found"):
            load_trained(best)
    monkeypatch.setattr(torch, "load", locked)
    with pytest.raises(InputError, match=r"best\.ckpt: cannot be read \(permission denied\)"):
        load_trained(best)
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint_of(best.parent)
    assert (best.parent / LAST).exists()  # what cannot be read now is not thrown away


def test_a_checkpoint_without_a_part_is_damaged(tmp_path, best):
    content = torch.load(best, weights_only=True)
    for part in ("recipe", "weights", "metrics"):
        save_file(tmp_path / "part.ckpt", {key: value for key, value in content.items() if key != part})
        with pytest.raises(InputError, match=r"lacks a part of a recognizer's checkpoint"):
            load_trained(tmp_path / "part.ckpt")

"""Sets of a recipe that are rendered where they are missing, and are looked at where they are there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.data.sets.folders import NOTE_FILE
from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.data.synth import produce as produce_module
from autostr_nni.data.synth.produce import ensure
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import recipe_from
from autostr_nni.system.errors import InputError


def test_ensure_makes_once(tmp_path: Path, options: dict) -> None:
    spec = SynthSpec(5, **options)
    assert ensure(tmp_path / "set", spec, 1)
    note = json.loads((tmp_path / "set" / NOTE_FILE).read_text())
    assert SynthSpec.from_dict(note["spec"]) == spec
    assert not ensure(tmp_path / "set", spec, 1)
    with pytest.raises(InputError, match="another set"):
        ensure(tmp_path / "set", SynthSpec(6, **options), 1)
    recipe = recipe_from(
        {"data": {"train": ["set"], "validation": ["set"], "synth": {"set": {"count": 6}}}}, tmp_path
    )
    with pytest.raises(InputError, match=f"^recipe: data.synth: {tmp_path / 'set'} holds another set"):
        prepare_data(recipe)
    (tmp_path / "set" / NOTE_FILE).unlink()
    with pytest.raises(InputError, match="another set"):
        ensure(tmp_path / "set", spec, 1)


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EACCES])
def test_two_that_cannot_wait_for_each_other(
    tmp_path: Path, options: dict, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """A file system without locks, and a lock of another user's: both render, and both have the set."""

    def not_held(*args: Any) -> Any:
        raise OSError(error, os.strerror(error))

    make, spec, made = produce_module._maker, SynthSpec(5, **options), []

    def overtaken(wanted: SynthSpec) -> Any:
        monkeypatch.setattr(produce_module, "_maker", make)
        made.append(ensure(tmp_path / "set", spec, 1))
        return make(wanted)

    monkeypatch.setattr(produce_module, "hold", not_held)
    monkeypatch.setattr(produce_module, "_maker", overtaken)
    assert ensure(tmp_path / "set", spec, 1) is None and made[0]["words"] == 5
    monkeypatch.setattr(produce_module, "_maker", overtaken)
    shutil.rmtree(tmp_path / "set")
    with pytest.raises(InputError, match="another set"):
        ensure(tmp_path / "set", SynthSpec(6, **options), 1)

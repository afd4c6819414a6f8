"""The program that docs/evaluation.md gives for an exported file reads as `autostr read` does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_io import LmdbReader

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
PROGRAM = re.compile(r"<!-- running an exported file -->\n```python\n(.*?)```", re.S)


@pytest.mark.parametrize("kind", ["attention", "ctc"])
def test_it_reads_as_the_net_does(
    kind: str,
    net_with: Callable[..., tuple[str, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime")
    checkpoint, words = net_with(kind, 60)
    monkeypatch.chdir(tmp_path)
    assert main(["export", checkpoint, "net.onnx", "--check", str(words)]) == 0
    (program,) = PROGRAM.findall(PAGE.read_text(encoding="utf-8"))
    with LmdbReader(words) as reader:
        pictures = {reader.label(number): reader.image(number) for number in range(1, 65)}
    texts = set()
    for picture in pictures.values():
        Path("photo.png").write_bytes(picture or b"")
        capsys.readouterr()
        assert main(["read", checkpoint, "photo.png", "--json"]) == 0
        read = json.loads(capsys.readouterr().out)
        exec(program, {})
        text, confidence = capsys.readouterr().out.rstrip("\n").split(" ")
        assert text == read["text"] and float(confidence) == pytest.approx(read["confidence"], abs=1e-3)
        texts.add(text)
    assert texts - {""}

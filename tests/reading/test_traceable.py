"""The unrolled reader reads as the recognizer does, and what it saw can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autostr_nni.data.charset import Charset
from autostr_nni.models.recognizer import build_recognizer, input_size
from autostr_nni.models.traceable import UnrolledReader
from autostr_nni.reading.attention import look
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.reading.pictures.attention import draw_sight


@pytest.fixture
def net(make_recipe) -> Trained:
    """A random net with a rectifier that bends and an attention that is not flat."""
    recipe = make_recipe()
    space = recipe.space()
    architecture = space.default_architecture(space.typical_paths()[1], "k3e1")
    torch.manual_seed(0)
    classes = Charset.named(recipe.data.charset).classes
    recognizer = build_recognizer(architecture, space, recipe.model, classes).eval()
    with torch.no_grad():
        recognizer.rectifier.last.weight.normal_(0, 0.5)
        recognizer.decoder.score.weight.mul_(40)
        recognizer.decoder.classify.weight.mul_(6)
    return Trained(recognizer, recipe, architecture, space, {})


@pytest.fixture
def wordy(net: Trained) -> Trained:
    """The net, with an end of word so likely that half of the words end at once."""
    with torch.no_grad():
        first = UnrolledReader(net.recognizer, net.recipe.data.max_length)(images(net, 20)).logits[:, 0]
        ahead = (first[:, :-1].amax(-1) - first[:, -1]).sort().values
        net.recognizer.decoder.classify.bias[-1] += ahead[9:11].mean()  # between two words: no tie
    return net


def images(net: Trained, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    size = (count, 3, *input_size(net.recipe.model))
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def test_it_reads_what_the_recognizer_reads(wordy: Trained) -> None:
    net = wordy
    pixels = images(net, 20)
    charset = Charset.named(net.recipe.data.charset)
    longest = net.recipe.data.max_length
    with torch.no_grad():
        unrolled = UnrolledReader(net.recognizer, longest)(pixels)
    reading = net.recognizer.read(pixels, longest)
    texts = [charset.decode(ids) for ids in reading.ids.tolist()]
    assert [charset.decode(ids) for ids in unrolled.ids.tolist()] == texts
    assert len({len(text) for text in texts}) > 1  # some end before others
    assert unrolled.ids.shape == (20, longest + 1)
    torch.testing.assert_close(unrolled.confidence, reading.confidence)
    torch.testing.assert_close(unrolled.attention.sum(-1), torch.ones(20, longest + 1))


def test_what_it_saw(net: Trained, make_words, tmp_path: Path) -> None:
    (tmp_path / "word.png").write_bytes(make_words(1, 0)[0][0])
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert look(net, tmp_path / "broken.png") is None
    sight = look(net, tmp_path / "word.png")
    assert sight is not None
    height, width = input_size(net.recipe.model)
    assert sight.image.shape == (height, width, 3)
    assert sight.rectified.shape == (*net.recipe.model.image, 3)
    assert sight.points is not None and sight.points.shape == (6, 2)
    assert sight.attention.shape == (len(sight.text), 4)
    assert sight.confidence <= np.prod(sight.probabilities) + 1e-6
    picture = draw_sight(sight, "word.png")
    assert picture.width == 848
    # More characters need more rows, and none at all is drawn too.
    longer = draw_sight(_of(sight, "123456"), "word.png")
    nothing = draw_sight(_of(sight, ""), "word.png")
    assert longer.height > nothing.height


def test_attention_colours_its_place(net: Trained, make_words, tmp_path: Path) -> None:
    (tmp_path / "word.png").write_bytes(make_words(1, 0)[0][0])
    sight = look(net, tmp_path / "word.png")
    assert sight is not None
    picture = np.asarray(draw_sight(_of(sight, "1"), "word.png")).astype(int)
    panel = picture[-150:-60, 16:416]
    redness = (panel[..., 0] - panel[..., 2]).mean(0)
    assert redness[100:200].mean() > 50 > 5 > redness[300:].mean()  # all weight on the second of four steps


def _of(sight, text: str):
    """The sight of another text, with all attention on the second step."""
    from dataclasses import replace

    attention = np.zeros((len(text), sight.attention.shape[1] or 4), dtype=np.float32)
    attention[:, 1] = 1
    return replace(sight, text=text, attention=attention, probabilities=np.full(len(text), 0.5))

from __future__ import annotations

import io
from pathlib import Path

import lmdb
import pytest
import torch
from PIL import Image

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.labels import REPEATS
from autostr_nni.data.loader import make_loader
from autostr_nni.data.sets.check import check_set
from autostr_nni.data.sets.lmdb_write import label_key, write_lmdb
from autostr_nni.data.targets import PADDING
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.system.errors import InputError

PRINTABLE = Charset.named("printable")


def test_items(word_set) -> None:
    dataset = WordDataset([word_set(["Hello", "no. 9"])], PRINTABLE, 25, (16, 48))
    item = dataset[1]
    assert item is not None
    image, ids, label = item
    assert image.shape == (3, 16, 48)
    assert image.dtype == torch.uint8
    assert label == dataset.label(1) == "no. 9"
    assert PRINTABLE.decode(ids) == dataset.text(1) == "no.9" and ids[-1] == PRINTABLE.eos
    assert dataset.trimmed == 1


def test_channels_are_red_green_blue(tmp_path: Path, picture) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 10), (200, 100, 50)).save(buffer, "PNG")
    write_lmdb(tmp_path / "set", [(buffer.getvalue(), "a")])
    item = WordDataset(tmp_path / "set", PRINTABLE, 25)[0]
    assert item is not None
    assert item[0][:, 3, 3].tolist() == [200, 100, 50]


def test_causes_are_counted(raw_set, picture) -> None:
    good = picture()
    samples = [
        (good, b"fine"),
        (good, b""),
        (good, "ÄÖ".encode()),
        (good, b"x" * 11),
        (good, b"x" * 10),
        (good, b"\xff\xfe"),
        (None, b"gone"),
        (good, None),
        (good, "naïve".encode()),
    ]
    dataset = WordDataset(raw_set(samples), PRINTABLE, 10)
    assert dataset.skipped == {
        "empty label": 1,
        "no known character": 1,
        "too long": 1,
        "label not UTF-8": 1,
        "missing": 2,
    }
    assert [dataset.text(i) for i in range(len(dataset))] == ["fine", "x" * 10, "nave"]
    assert dataset.trimmed == 1
    assert "3 of 9 words" in dataset.report() and "1 too long" in dataset.report()


def test_nothing_left_says_why(word_set) -> None:
    with pytest.raises(InputError, match="2 no known character, 1 too long|1 too long.*2 no known"):
        WordDataset(word_set(["ab", "cd", "12345"]), Charset.named("digits"), 3)


def test_undecodable_images_are_dropped_not_replaced(raw_set, picture) -> None:
    good = picture()
    folder = raw_set([(good, b"one"), (good[:50], b"two"), (b"junk", b"three"), (good, b"four")])
    dataset = WordDataset(folder, PRINTABLE, 25)
    assert len(dataset) == 4
    assert dataset[1] is None
    batch = dataset.batch(range(4))
    assert batch.texts == ["one", "four"]
    assert batch.dropped == 2
    assert len(batch.images) == len(batch.targets) == len(batch.lengths) == 2


def test_a_batch_of_nothing(raw_set) -> None:
    dataset = WordDataset(raw_set([(b"junk", b"one"), (b"junk", b"two")]), PRINTABLE, 25, (32, 64))
    (batch,) = make_loader(dataset, 4)
    assert batch.images.shape == (0, 3, 32, 64)
    assert batch.targets.shape[0] == 0
    assert batch.dropped == 2


def test_targets_are_padded(word_set) -> None:
    charset = Charset.named("digits")
    dataset = WordDataset(word_set(["123", "4"]), charset, 25)
    batch = dataset.batch([0, 1])
    assert batch.targets.tolist() == [[1, 2, 3, 10], [4, 10, PADDING, PADDING]]
    assert batch.lengths.tolist() == [4, 2]
    assert batch.targets.dtype == torch.int64


def test_limit_is_seeded(word_set) -> None:
    folder = word_set([str(i) for i in range(50)])

    def texts(seed: int, limit: int | None = 10) -> list[str]:
        dataset = WordDataset(folder, PRINTABLE, 25, limit=limit, seed=seed)
        return [dataset.text(i) for i in range(len(dataset))]

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 10
    assert len(texts(1, 100)) == len(texts(1, None)) == 50
    with pytest.raises(InputError, match="limit of 0"):
        texts(1, 0)


def test_several_sets(word_set, tmp_path: Path) -> None:
    first, second = word_set(["a", "b"], "one"), word_set(["c"], "two")
    for folders in ([first, second], tmp_path, [str(tmp_path)]):
        dataset = WordDataset(folders, PRINTABLE, 25)
        assert [item[2] for item in (dataset[i] for i in range(3)) if item] == ["a", "b", "c"]
    with pytest.raises(InputError, match="listed twice"):
        WordDataset([tmp_path, first], PRINTABLE, 25)
    with pytest.raises(InputError, match="no folder"):
        WordDataset([], PRINTABLE, 25)


def test_a_batch_is_its_items(raw_set, picture) -> None:
    samples = [(picture((40 + i, 16), shade=i), f"w{i}".encode()) for i in range(9)]
    folders = [raw_set(samples[i::3], name=f"part{i}") for i in range(3)]
    dataset = WordDataset(folders, PRINTABLE, 25, (8, 16))
    order = [8, 0, 4, 4, 1]
    batch = dataset.batch(order)
    for place, index in enumerate(order):
        item = dataset[index]
        assert item is not None
        image, ids, label = item
        assert torch.equal(batch.images[place], image)
        assert batch.targets[place, : batch.lengths[place]].tolist() == ids
        assert batch.texts[place] == label
    assert dataset.batch([]).images.shape == (0, 3, 8, 16)


def test_a_charset_of_many_characters(word_set) -> None:
    """Class numbers beyond a byte."""
    charset = Charset.named("".join(map(chr, range(0x4E00, 0x4E00 + 400))))
    batch = WordDataset(word_set([chr(0x4E00 + 399), chr(0x4E00) * 2]), charset, 5).batch([0, 1])
    assert batch.targets.tolist() == [[399, 400, PADDING], [0, 0, 400]]


def test_a_set_that_is_changed_meanwhile(raw_set, word_set, picture) -> None:
    """Labels are kept from the creation only as long as they are those of the images."""
    good = picture()
    folder = raw_set([(good, text.encode()) for text in ("one", "two", "three", "four", "five")])
    other = word_set(["a", "b"])
    dataset = WordDataset([folder, other], PRINTABLE, 5)
    assert dataset.batch(range(7)).texts == ["one", "two", "three", "four", "five", "a", "b"]
    loader = make_loader(dataset, 7, workers=1)
    assert next(iter(loader)).texts == ["one", "two", "three", "four", "five", "a", "b"]
    dataset.readers[0].close()
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as change:
        for number, label in ((1, b"uno"), (2, b"too long"), (3, b"\xff"), (4, b"")):
            change.put(label_key(number), label)
    for batch in (dataset.batch(range(7)), next(iter(make_loader(dataset, 7, workers=1)))):
        assert batch.texts == ["uno", "five", "a", "b"] and batch.dropped == 3
        assert [PRINTABLE.decode(row.tolist()) for row in batch.targets] == batch.texts
        assert batch.lengths.tolist() == [4, 5, 2, 2] and len(batch.images) == 4
    assert next(iter(loader)).texts == ["uno", "five", "a", "b"]  # of the process that has it open


def test_a_set_that_is_replaced_meanwhile(word_set, picture) -> None:
    folder = word_set(["one", "two"])
    dataset = WordDataset(folder, PRINTABLE, 5)
    write_lmdb(folder, [(picture(shade=9), "uno"), (picture(shade=8), "due")], force=True)
    batch = dataset.batch([1, 0])
    assert batch.texts == ["due", "uno"]
    assert batch.images.float().mean(dim=(1, 2, 3)).round().tolist() == [8, 9]


@pytest.mark.parametrize("charset", ["digits", "lowercase", "printable", "abcé"])
def test_targets_are_the_encoded_labels(word_set, charset: str) -> None:
    """Alone and with others, whatever else a label holds, and for a limited number of words."""
    labels = ["12", "a1", "B c", "é3a", "line\nend1a", "1" * 9, "-1a-", "1ab"]
    characters = Charset.named(charset)
    for limit in (None, 4):
        dataset = WordDataset(word_set(labels, f"{charset}{limit}"), characters, 20, (8, 16), limit, seed=2)
        indices = list(range(len(dataset)))[::-1]
        together = dataset.batch(indices)
        assert together.texts == [dataset.label(i) for i in indices]
        for place, index in enumerate(indices):
            ids = characters.encode(dataset.text(index))
            assert together.targets[place, : len(ids)].tolist() == ids
            assert (together.targets[place, len(ids) :] == PADDING).all()
            assert together.lengths[place] == len(ids)
            alone = dataset.batch([index])
            assert alone.targets.tolist() == [ids] and alone.texts == [dataset.label(index)]


def test_words_that_ctc_cannot_align_are_counted(word_set) -> None:
    """A character that is repeated needs a step between: `aab` three characters and four steps."""
    folder = word_set(["aab", "abab", "aaa", "abcd", "é"])
    letters = Charset.named("abcd")
    assert WordDataset(folder, letters, 4).skipped == {"no known character": 1}
    dataset = WordDataset(folder, letters, 4, steps=4)
    assert dataset.skipped == {"no known character": 1, REPEATS: 1}
    assert [dataset.text(place) for place in range(len(dataset))] == ["aab", "abab", "abcd"]
    logits = torch.zeros(1, 4, letters.classes)
    decoder = CTCDecoder(2, letters.classes)
    for label, aligned in (("aab", True), ("aaa", False)):
        targets = torch.tensor([letters.encode(label)])
        assert bool(decoder.word_losses(logits, targets)) is aligned
    assert check_set(folder, letters, 4, steps=4).skipped[REPEATS] == 1

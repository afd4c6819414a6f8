"""Words that were decoded once are the same words, for every process, and cost only the memory they may."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from autostr_nni.data import dataset as dataset_module
from autostr_nni.data import shared_words
from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.decoding.images import decode_image
from autostr_nni.data.loader import make_loader
from autostr_nni.data.sets.lmdb_io import write_lmdb
from autostr_nni.data.shared_words import DecodedWords, current, free_memory, keeping_decoded

PRINTABLE = Charset.named("printable")
SIZE = (16, 48)
ROOM = 1 << 24


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every image that this process decodes for a batch."""
    seen: list[int] = []

    def counted(*arguments):
        seen.append(1)
        return decode_image(*arguments)

    monkeypatch.setattr(dataset_module, "decode_image", counted)
    return seen


@pytest.fixture
def folders(raw_set, picture) -> list[Path]:
    """Two sets, with images that cannot be decoded."""
    good = [picture(size=(30 + i, 20)) for i in range(8)]
    first = [(image, b"w%d" % i) for i, image in enumerate(good[:5])]
    first.insert(2, (b"junk", b"broken"))
    second = [(good[5], b"five"), (good[6][:40], b"cut"), (good[7], b"seven")]
    return [raw_set(first, name="first"), raw_set(second, name="second")]


def same(one, other) -> bool:
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.targets, other.targets)
        and (one.texts, one.dropped) == (other.texts, other.dropped)
    )


ORDERS = ([0, 1, 2, 3], [8, 2, 0, 7, 5, 1], [4, 6, 3, 2, 1, 0, 5, 8, 7], [2], [7, 2])


@pytest.mark.parametrize("count", [1, 2], ids=["one set", "two sets"])
def test_kept_words_are_the_same_words(folders: list[Path], decodings: list[int], count: int) -> None:
    plain = WordDataset(folders[:count], PRINTABLE, 25, SIZE)
    orders = [[i for i in order if i < len(plain)] for order in ORDERS]
    expected = [plain.batch(order) for order in orders]
    with keeping_decoded(ROOM):
        words = WordDataset(folders[:count], PRINTABLE, 25, SIZE)
        assert all(same(words.batch(o), e) for o, e in zip(orders, expected, strict=True))
        del decodings[:]
        assert all(same(words.batch(o), e) for o, e in zip(orders, expected, strict=True))
    broken = sum(plain.text(i) in ("broken", "cut") for order in orders for i in order)
    assert len(decodings) == broken  # what cannot be decoded is found out again
    assert current() is None


def test_another_set_on_the_same_words_finds_them(folders: list[Path], decodings: list[int]) -> None:
    """As the next trial does; one of another size does not."""
    with keeping_decoded(ROOM):
        WordDataset(folders, PRINTABLE, 25, SIZE).batch(range(9))
        del decodings[:]
        later = WordDataset(folders, PRINTABLE, 4, SIZE)  # without the longest word
        later.batch(range(len(later)))
        assert len(decodings) == 1
        del decodings[:]
        larger = WordDataset(folders, PRINTABLE, 25, (32, 96))
        assert larger.batch(range(9)).images.shape == (7, 3, 32, 96)
        assert len(decodings) == 9


def test_processes_share_what_they_decode(word_set: Callable[..., Path], decodings: list[int]) -> None:
    """Loader processes, and their parent afterwards."""
    folder = word_set([f"w{i}" for i in range(40)])
    with keeping_decoded(ROOM):
        words = WordDataset(folder, PRINTABLE, 25, SIZE)
        loaded = list(make_loader(words, 8, workers=2))
        again = list(make_loader(words, 8))
        assert decodings == []
    plain = list(make_loader(WordDataset(folder, PRINTABLE, 25, SIZE), 8))
    assert all(same(a, p) and same(b, p) for a, b, p in zip(loaded, again, plain, strict=True))


def test_a_set_that_was_changed_is_read_anew(word_set: Callable[..., Path], picture) -> None:
    folder = word_set(["old"])
    with keeping_decoded(ROOM):
        words = WordDataset(folder, PRINTABLE, 25, SIZE)
        assert words.batch([0]).images.unique().tolist() == [0]
        write_lmdb(folder, [(picture(shade=9), "new")], force=True)
        for reader in words.readers:
            reader.close()
        for _ in range(2):
            batch = words.batch([0])
            assert batch.texts == ["new"] and batch.images.unique().tolist() == [9]
        fresh = WordDataset(folder, PRINTABLE, 25, SIZE)
        assert fresh.batch([0]).images.unique().tolist() == [9]


@pytest.mark.parametrize("most, free, kept", [(ROOM, 1 << 40, 2), (0, 1 << 40, 0), (ROOM, 1000, 0)])
def test_room(
    folders: list[Path],
    decodings: list[int],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    free: int,
    kept: int,
) -> None:
    monkeypatch.setattr(shared_words, "free_memory", lambda: free)
    with keeping_decoded(most):
        words = WordDataset(folders[0], PRINTABLE, 25, SIZE)
        for _ in range(3):
            assert len(words.batch([0, 1]).images) == 2
    assert len(decodings) == 6 - 2 * kept


def test_room_for_the_first_set_alone() -> None:
    memory = DecodedWords(3000)
    assert memory.set_of("a", 10, (4, 4)) is not None
    assert memory.set_of("b", 100, (4, 4)) is None
    assert memory.set_of("a", 10, (4, 4)) is not None
    memory.close()
    assert memory.set_of("c", 1, (4, 4)) is None


def test_inner_blocks_use_the_memory_around_them() -> None:
    with keeping_decoded(ROOM):
        outer = current()
        assert outer is not None
        with keeping_decoded(5):
            assert current() is outer and outer.most == 5
        assert current() is outer and outer.most == ROOM


def _take(memory: DecodedWords, name: int, start, done) -> None:
    start.wait()
    for turn in range(20):
        kept = memory.set_of(f"set {turn} of {name}", 3, (2, 2))
        assert kept is not None
        kept.keep(2, np.full((2, 2, 3), 16 * name + turn % 16, np.uint8))
    done.put(name)


def test_sets_of_several_processes_do_not_meet() -> None:
    context = multiprocessing.get_context("fork")
    memory, start, done = DecodedWords(1 << 30), context.Event(), context.Queue()
    processes = [context.Process(target=_take, args=(memory, n, start, done)) for n in range(3)]
    for process in processes:
        process.start()
    start.set()
    assert sorted(done.get(timeout=60) for _ in processes) == [0, 1, 2]
    for process in processes:
        process.join()
    for name in range(3):
        for turn in range(20):
            kept = memory.set_of(f"set {turn} of {name}", 3, (2, 2))
            assert kept is not None
            out = np.zeros((3, 2, 2, 3), np.uint8)
            assert kept.copy(np.array([1, 2, 3]), out).tolist() == [False, True, False]
            assert (out[1] == 16 * name + turn % 16).all()
    memory.close()


def test_a_spawned_process_has_no_part_in_it(word_set: Callable[..., Path]) -> None:
    with keeping_decoded(ROOM):
        words = WordDataset(word_set(["one", "two"]), PRINTABLE, 25, SIZE)
        words.batch([0, 1])
        sent = pickle.dumps(words)
        assert len(sent) < 10_000
        assert same(pickle.loads(sent).batch([0, 1]), words.batch([0, 1]))


def test_the_memory_is_given_back(word_set: Callable[..., Path]) -> None:
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count("autostr-decoded")

    before = mapped()
    with keeping_decoded(ROOM):
        words = WordDataset(word_set(["one"]), PRINTABLE, 25, SIZE)
        words.batch([0])
        assert mapped() == before + 1
    del words
    assert mapped() == before


def test_free_memory_is_a_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(shared_words, "_GROUPS", ((str(limit), str(used)),))
    unlimited = free_memory()
    assert unlimited > 1 << 20
    limit.write_text("max\n")
    used.write_text("1000\n")
    assert free_memory() > 1 << 20
    limit.write_text("5000\n")
    assert free_memory() == 4000
    used.write_text("6000\n")
    assert free_memory() == 0

"""Word accuracy and 1-NED by hand, and learning rates and optimizers as the recipe says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autostr_nni.data.charset import Charset
from autostr_nni.reading.metrics import comparable, score
from autostr_nni.recipe.training import OptimizerSection, TrainingSection
from autostr_nni.recipe.words.metric import METRICS, meaningless
from autostr_nni.runs.records import append_metrics, read_metrics, read_result, write_metrics
from autostr_nni.training.optimizing.optimizers import build_optimizer
from autostr_nni.training.optimizing.rates import Rates, set_rate

PRINTABLE = Charset.named("printable")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Hello", "hello"), ("It's-42!", "its42"), ("...", ""), ("", ""), ("Café Ⅷ", "caf"), ("a b", "ab")],
)
def test_comparable(text, expected):
    assert comparable(text, PRINTABLE) == expected


@pytest.mark.parametrize(
    "charset", ["digits", "lowercase", "alphanumeric", "printable", "0123456789abcdefABC"]
)
def test_the_named_charsets_keep_the_protocol_of_the_field(charset):
    pairs = [("Its7", "it's 7"), ("a12", "12"), ("!", "?!")]
    assert score(pairs, Charset.named(charset)) == score(pairs, PRINTABLE)
    shuffled = Charset(PRINTABLE.characters[::-1])
    assert score(pairs, shuffled).correct == 1 and score(pairs, shuffled).words == 2


@pytest.mark.parametrize(
    ("charset", "prediction", "truth", "right"),
    [
        ("данвк0123456789", "Да1", "дА1", True),
        ("данвк0123456789", "1", "да1", False),
        ("abcdefé", "cafe", "café", False),
        ("abcdefé", "café", "cafe\u0301", True),
        ("abcdefé", "café!", "CAFÉ", True),  # what the charset lacks is not compared
        ("0123456789.", "125", "12.5", False),
        ("€$", "€", "$", False),
        ("人口", "人口", "人口", True),
        ("ΟΔΣοδσς", "ΟΔΟΣ", "οδοσ", True),
        ("कि", "क", "कि", False),  # a vowel sign that is no letter
        ("e\u0301t", "e\u0301t", "ét", True),  # the accent as a class of its own
    ],
)
def test_other_charsets_compare_their_own_characters(charset, prediction, truth, right):
    found = score([(prediction, truth), (truth, truth)], Charset.named(charset))
    assert (found.words, found.empty, found.correct) == (2, 0, 1 + right)
    assert (found.one_minus_ned == 1) == right


def test_other_spellings_of_a_word_are_the_word():
    assert score([("café", "cafe\u0301")], Charset.named("abcdefé")).case_sensitive_accuracy == 1
    assert score([("\u212a", "K")], PRINTABLE).case_sensitive_accuracy == 1


def test_scores_by_hand():
    pairs = [
        ("HELLO", "hello"),  # right, but not in case
        ("world", "world"),  # right
        ("it's", "its"),  # right under the protocol
        ("cat", "cart"),  # distance 1 of 4
        ("", "ab"),  # distance 2 of 2
        ("...", "abc"),  # a prediction of nothing comparable: 3 of 3
        ("abcd", "a"),  # 3 of 4
        ("x", "!?"),  # empty truth: not counted
        ("!?", "!?"),  # empty truth, exactly matched
    ]
    found = score(pairs, PRINTABLE)
    assert (found.words, found.correct, found.empty) == (7, 3, 2)
    assert found.word_accuracy == 3 / 7
    assert found.case_sensitive_accuracy == 2 / 9
    assert found.one_minus_ned == pytest.approx(1 - (1 / 4 + 1 + 1 + 3 / 4) / 7)


def test_nothing_to_count_gives_zeros():
    for pairs in ([], [("a", "."), ("", "")]):
        found = score(pairs, PRINTABLE)
        assert (found.words, found.word_accuracy, found.one_minus_ned) == (0, 0.0, 0.0)
    assert score([("", "")], PRINTABLE).case_sensitive_accuracy == 1.0


def test_scores_do_not_depend_on_order_and_come_from_any_iterable():
    pairs = [("a", "a"), ("b", "c"), ("", "?"), ("abc", "abd")]
    assert score(iter(pairs), PRINTABLE) == score(pairs[::-1], PRINTABLE)
    assert score(pairs, PRINTABLE).to_dict()["words"] == 3


def section(**values) -> OptimizerSection:
    return OptimizerSection.model_validate(values)


def test_optimizers_follow_the_recipe():
    weights = [nn.Parameter(torch.ones(3))]
    paper = build_optimizer(weights, section())
    assert isinstance(paper, torch.optim.Adadelta)
    assert {key: paper.defaults[key] for key in ("lr", "rho", "eps", "weight_decay")} == {
        "lr": 1.0,
        "rho": 0.9,
        "eps": 1e-6,
        "weight_decay": 0.0,
    }
    adam = build_optimizer(weights, section(name="adam", betas=[0.5, 0.9], weight_decay=0.1))
    assert type(adam) is torch.optim.Adam
    assert adam.defaults["lr"] == 1e-3 and adam.defaults["betas"] == (0.5, 0.9)
    assert type(build_optimizer(weights, section(name="adamw", lr=0.2))) is torch.optim.AdamW


def test_rates_fall_at_the_milestones():
    training = TrainingSection.model_validate({"milestones": [7, 10], "optimizer": {"lr": 2.0}})
    rates = [Rates(training, 12, 5)(5 * epoch + 4) for epoch in range(12)]
    assert rates[:7] == [2.0] * 7
    assert rates[7:10] == pytest.approx([0.2] * 3)
    assert rates[10:] == pytest.approx([0.02] * 2)
    optimizer = build_optimizer([nn.Parameter(torch.ones(1))], training.optimizer)
    set_rate(optimizer, rates[8])
    assert [group["lr"] for group in optimizer.param_groups] == [rates[8]]


def test_records_round_trip(tmp_path):
    assert read_metrics(tmp_path) == [] and read_result(tmp_path) == {}
    write_metrics(tmp_path, [{"epoch": 0, "default": 0.1}])
    append_metrics(tmp_path, {"epoch": 1, "default": 0.2})
    assert read_metrics(tmp_path) == [{"epoch": 0, "default": 0.1}, {"epoch": 1, "default": 0.2}]
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "def')
    assert len(read_metrics(tmp_path)) == 2
    (tmp_path / "result.json").write_text('{"metrics": {')
    assert read_result(tmp_path) == {}


def test_character_error_rate() -> None:
    """All edits over all characters of the truths, of what is compared: not the mean of words."""
    found = score([("abc", "abd"), ("x", "X"), ("", "longword"), ("!", "?")], PRINTABLE)
    assert found.cer == pytest.approx((1 + 0 + 8) / (3 + 1 + 8))
    assert found.one_minus_ned == pytest.approx(1 - (1 / 3 + 0 + 1) / 3)
    assert score([], PRINTABLE).cer == 0
    assert METRICS["cer"].of_set(found.to_dict()) == 1 - found.cer


@pytest.mark.parametrize(
    ("charset", "fine"), [("AbcB", True), ("ABC", False), ("人口", False), ("abc1", False)]
)
def test_a_charset_of_one_case_has_no_case(charset: str, fine: bool) -> None:
    assert (meaningless("case_sensitive", charset, charset) is None) == fine
    assert meaningless("cer", charset, charset) is None


@pytest.mark.parametrize(
    ("charset", "label"),
    [
        ("αβγδεζηθικλμνξοπρστυφχψως", "ΟΔΟΣ"),  # a small sigma at the end of a word
        ("αβγδεζηθικλμνξοπρστυφχψω", "ΟΔΟΣ"),  # which this charset lacks
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ", "Straße"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "Straße"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "\ufb01sh"),
    ],
)
def test_a_word_that_is_read_as_it_is_taught_is_right(charset: str, label: str) -> None:
    taught = Charset.named(charset).clean(label)
    assert taught[1] == 0
    assert score([(taught[0], label)], Charset.named(charset)).word_accuracy == 1

"""NNI's own strategies on the model space never leave the set of feasible architectures."""

from __future__ import annotations

import random

import nni
import pytest
import torch
from nni.mutable import SampleValidationError
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace, SimplifiedModelSpace, model_context
from nni.nas.strategy import GridSearch, Random, RegularizedEvolution
from numpy.random import RandomState

from autostr_nni.models.backbone import Backbone
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.nni_space import AutoSTRSpace, StridePathChoice, architecture_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

# All 30 030 paths, but narrow, so that twenty trials take a moment.
NARROW = SearchSpace(stem_width=4, stage_widths=(4, 4, 8, 8, 8))
TRIALS = 20


def evaluate(model: torch.nn.Module) -> None:
    """Score a backbone by its size, after a run for its output shape."""
    assert isinstance(model, Backbone)
    with torch.no_grad():
        assert model.eval()(torch.zeros(1, 3, 32, 100)).shape == (1, 25, 8)
    nni.report_final_result(float(sum(p.numel() for p in model.parameters())))


def evolution() -> RegularizedEvolution:
    """Mutate every variable often, so that infeasible mutants would be met if any could pass."""
    return RegularizedEvolution(population_size=6, sample_size=3, mutation_prob=0.5, seed=1)


@pytest.mark.parametrize(
    ("strategy", "executable"),
    [
        (lambda: Random(seed=1), SimplifiedModelSpace),
        (lambda: Random(seed=1), RawFormatModelSpace),
        # NNI's raw format hands the same sample, changing, to all trials of a grid: it is left out.
        (lambda: GridSearch(seed=1), SimplifiedModelSpace),
        (evolution, SimplifiedModelSpace),
        (evolution, RawFormatModelSpace),
    ],
    ids=["random", "random-raw", "grid", "evolution", "evolution-raw"],
)
def test_strategy_runs_twenty_feasible_trials(strategy, executable):
    engine = SequentialExecutionEngine(max_model_count=TRIALS)
    space = executable.from_model(AutoSTRSpace(NARROW), FunctionalEvaluator(evaluate))
    run = strategy()
    run(space, engine)
    models = list(engine.list_models())
    assert len(models) == TRIALS
    architectures = {architecture_of(model.sample, NARROW) for model in models}  # raises out of the space
    assert len(architectures) == TRIALS
    assert all(architecture.path in NARROW.paths for architecture in architectures)
    best = next(run.list_models(limit=1))
    assert best.metric == max(model.metric for model in models)


def test_samples_are_trial_parameters_and_freeze_to_the_backbone():
    space = AutoSTRSpace(NARROW)
    architecture = Architecture.parse(lookup("autostr-iiit5k")[0].text, NARROW)
    sample = architecture.to_parameters()
    assert space.contains(sample)
    assert space.architecture_of(sample) == architecture
    assert architecture_of(lookup("mbconv-k5e6")[0].to_parameters()).operations == ("k5e6",) * 15
    frozen = space.freeze(sample)
    with model_context(sample):
        recreated = AutoSTRSpace(NARROW)
    reference = Backbone(architecture, NARROW)
    x = torch.zeros(2, 3, 32, 100)
    for module in (frozen, recreated):
        assert module.state_dict().keys() == reference.state_dict().keys()
        assert module(x).shape == reference(x).shape == (2, 25, 8)


def test_the_space_is_light_and_runs_its_default():
    space = AutoSTRSpace()
    assert sum(p.numel() for p in space.parameters()) == 3 * 32 * 9 + 2 * 32  # the stem alone
    assert list(space.simplify())[:4] == ["stride_path", "op_01", "op_01/skip", "op_02"]
    assert AutoSTRSpace(NARROW)(torch.zeros(1, 3, 32, 100)).shape == (1, 25, 8)


def test_a_skip_cannot_stand_where_the_path_shrinks_the_map():
    sample = NARROW.default_architecture(NARROW.typical_paths()[0], "k3e1").to_parameters()
    space = AutoSTRSpace(NARROW)
    assert space.contains({**sample, "op_02": "skip"})
    assert not space.contains({**sample, "op_01": "skip"})  # stride
    assert not space.contains({**sample, "op_07": "skip"})  # width
    with pytest.raises(SampleValidationError, match="layer 1 changes the shape"):
        space.freeze({**sample, "op_01": "skip"})
    projected = SearchSpace(stem_width=4, stage_widths=(4, 4, 8, 8, 8), projection_skip=True)
    skipping = {key: "skip" for key in sample if key != "stride_path"}
    backbone = AutoSTRSpace(projected).freeze({"stride_path": "ABABB", **skipping})
    assert backbone(torch.zeros(2, 3, 32, 100)).shape == (2, 25, 8)


@pytest.mark.parametrize("path", ["AABBA", "AABB", "xxxxx", "AABB...........", "A.ABB", None, 5])
def test_infeasible_paths_are_refused(path):
    choice = StridePathChoice(NARROW)
    with pytest.raises(SampleValidationError):
        choice.freeze({"stride_path": path})
    assert not choice.contains({"stride_path": path})


def test_the_path_variable_lists_draws_and_defaults_feasible_paths():
    choice = StridePathChoice(NARROW)
    memo: dict[str, str] = {}
    texts = set()
    for text in choice.grid(memo):
        assert memo["stride_path"] == text and choice.contains(memo)
        texts.add(text)
    assert len(texts) == 30030 and memo == {}
    state = RandomState(0)
    drawn = [choice.random(random_state=state) for _ in range(200)]
    assert set(drawn) <= texts and len(set(drawn)) > 190
    state = RandomState(0)
    assert drawn == [choice.random(random_state=state) for _ in range(200)]
    assert choice.default() in texts


def test_typical_paths_only():
    choice = AutoSTRSpace(NARROW, typical=True).path
    assert list(choice.grid()) == [p.text() for p in NARROW.typical_paths()]
    assert choice.default() == "AABBB"
    assert choice.random() in [p.text() for p in NARROW.typical_paths()]
    assert not choice.contains({"stride_path": "AABBB.........."})
    with pytest.raises(InputError, match="no typical stride path"):
        StridePathChoice(SearchSpace(stage_layers=(7, 8), stage_widths=(8, 8)), typical=True)


def test_nni_can_send_the_space_and_a_trial_to_another_process():
    sent = SimplifiedModelSpace.from_model(AutoSTRSpace(NARROW), FunctionalEvaluator(evaluate))
    received = nni.load(nni.dump(sent))
    assert list(received.simplify()) == list(sent.simplify())
    trial = received.freeze(NARROW.sample(random.Random(0)).to_parameters())
    backbone = nni.load(nni.dump(trial)).executable_model()
    assert backbone(torch.zeros(2, 3, 32, 100)).shape == (2, 25, 8)

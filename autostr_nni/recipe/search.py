"""The `search` section: the three steps and the random baseline."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from autostr_nni.recipe.augment import Augment
from autostr_nni.recipe.base import Betas, Count, Section
from autostr_nni.recipe.cost.section import CostSection, Millions
from autostr_nni.recipe.model import TranslatorKind
from autostr_nni.recipe.training import Devices, InitSection, NotNegative, OptimizerSection, Positive, Threads
from autostr_nni.search_spaces.operation import Operation
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION, OPERATIONS, known, parse
from autostr_nni.system.errors import InputError

Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _parsed(name: str) -> Operation:
    """The operation of a name, which must be one."""
    try:
        return parse(name)
    except InputError:
        near = get_close_matches(name, known(), n=1, cutoff=0.0)
        raise ValueError(
            f"has no operation {name!r}; nearest is {near[0]!r}, known are {', '.join(known())}, MBConvs of "
            "other kernels and expansions such as k7e3, and those of extensions"
        ) from None


def _operations(names: tuple[str, ...]) -> tuple[str, ...]:
    """Known, distinct, and at least one that can change width and stride."""
    parsed = [_parsed(name) for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    if not any(operation.fits(True, False) for operation in parsed):
        raise ValueError(
            f"needs an operation besides {' and '.join(names)}, which cannot change a layer's width or stride"
        )
    return names


def _default_operation(name: str) -> str:
    if not _parsed(name).fits(True, False):
        raise ValueError(
            f"is {name!r}, which cannot change a layer's width or stride; {DEFAULT_OPERATION} can"
        )
    return name


def _paths(value: Any) -> Any:
    """`typical`, a number, or distinct texts of paths; whether they lie in P is checked with the space."""
    if value == "typical":
        return value
    if type(value) is int:
        if not 1 <= value <= 1000:
            raise ValueError(f"must be 1 to 1000 paths, not {value}")
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError(
            f"must be typical, a number of paths to be drawn, or a list such as [ABABB, AABBB], not {value!r}"
        )
    if not value:
        raise ValueError("is an empty list; write typical for all typical paths")
    twice = sorted({text for text in value if list(value).count(text) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return tuple(value)


def check_rungs(key: str, rungs: tuple[int, ...], top: str, epochs: int) -> None:
    """Rungs rise, and the last one is `epochs`, the value of the key `top`. Raises ValueError."""
    if list(rungs) != sorted(set(rungs)):
        raise ValueError(f"{key}: {list(rungs)} must rise")
    if rungs[-1] != epochs:
        raise ValueError(f"{key}: the last of {list(rungs)} must be {top}, which is {epochs}")


class PathSection(Section):
    """Step 1: every path with one default operation, ranked by validation loss (Eq. 2)."""

    epochs: Count = 5
    epoch_images: Count | None = None  # null: the whole set
    max_length: Count | None = None  # rank by words of at most so many characters; null: data.max_length
    paths: Annotated[Literal["typical"] | int | tuple[str, ...], BeforeValidator(_paths)] = "typical"
    default_operation: Annotated[str, AfterValidator(_default_operation)] = DEFAULT_OPERATION
    # epochs after which paths are compared, up to `epochs`; null: all paths are trained equally long
    rungs: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)] | None = None
    # of so many paths that were trained equally long one goes on, two at least
    reduction: Annotated[int, Field(ge=2, le=100)] = 3

    @model_validator(mode="after")
    def _check_rungs(self) -> PathSection:
        if self.rungs is not None:
            check_rungs("rungs", self.rungs, "search.path.epochs", self.epochs)
        return self


class ArchOptimizerSection(Section):
    """Adam on the architecture parameters."""

    lr: Positive = 1.0e-3
    betas: Betas = (0.0, 0.999)
    eps: Positive = 1.0e-8
    weight_decay: NotNegative = 0.0


class OperatorsSection(Section):
    """Step 2: the operation of every layer on the chosen path (Eq. 3 to 5)."""

    warmup_epochs: Annotated[int, Field(ge=0)] = 1  # operations drawn uniformly, weights only
    epochs: Count = 2
    epoch_images: Count | None = None  # null: the whole set
    max_length: Count | None = None  # search by words of at most so many characters; null: data.max_length
    arch_every: Count = 5  # one architecture step per so many weight steps
    arch_optimizer: ArchOptimizerSection = ArchOptimizerSection()
    arch_init: NotNegative = 1.0e-3  # architecture parameters start within plus and minus this
    budget_m: Millions = 450.0  # million MACs that an architecture may cost at most, or `cost.budget`
    # G of Eq. 4, in the same: its logarithm is above 0; where that is no MACs, by default as `cost.budget`
    g_m: Annotated[Millions, Field(gt=1e-6)] = 450.0
    beta: NotNegative = 0.6  # exponent of Eq. 4; 0: cost does not matter
    # nets that climb halving's rungs until one is left: the most probable one, that with step 1's operation
    # in all layers, and draws by the probabilities; 1: the most probable alone
    finalists: Annotated[int, Field(ge=1, le=1000)] = 1
    bilstm: bool = True  # BiLSTM in the supernet
    optimizer: OptimizerSection = OptimizerSection()
    batch_size: Count | None = None  # null: as in training
    devices: Devices | None = (
        None  # that share every batch of this trial, which runs alone; null: as in training
    )
    clip: Positive | None = 5.0
    threads: Threads | None = (
        None  # this trial runs alone, so it may have more than others; null: as in training
    )
    operations: Annotated[tuple[str, ...], Field(strict=False, min_length=1), AfterValidator(_operations)] = (
        OPERATIONS
    )

    @property
    def budget(self) -> int:
        """`budget_m` in MACs, or in what else `cost.kind` counts."""
        return round(self.budget_m * 1e6)


class RandomSection(Section):
    """The baselines: architectures drawn at random, and the largest within the band, each trained alone."""

    count: Count = 10
    paths: Literal["all", "typical"] = "all"
    # million MACs, or in what cost.kind counts, of a backbone at least, null: as in halving; at most:
    # operators.budget_m
    min_m: NotNegative | None = None
    largest: bool = False  # also train the net of the most MACs, or what else is counted, within the band


class HalvingSection(Section):
    """Successive halving: many nets trained a little, the best of them on to a full training."""

    nets: Count = 10  # what it may cost, in full trainings; each epoch of each trial counts
    # of so many nets that were trained equally long one goes on
    reduction: Annotated[int, Field(ge=2, le=100)] = 3
    # epochs after which nets are compared; null: a sixth, a third and all of training.epochs
    rungs: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)] | None = None
    min_m: NotNegative = 0.0  # of a backbone at least, as in random; at most: operators.budget_m
    explore: Share = 0.5  # share of later candidates from the whole space
    lookback: Count = 4  # trials that can run at a time: a proposal does not wait for the last so many


class OneShotSection(Section):
    """One supernet of all paths and operations; nets ranked on its weights; the best of them trained on."""

    epochs: Count | None = None  # of the supernet; null: six times training.epochs
    epoch_images: Count | None = None  # null: as in training
    alone: Share = 0.2  # share of its steps in which one net is trained alone, which teaches the rest to read
    opened: Share = (
        0.6  # share of its steps after which all nets are drawn fairly, others coming in till then
    )
    threads: Threads | None = None  # of supernet and ranking, which run alone; null: as in training
    nets: Count = 100  # ranked on the supernet's weights
    population: Count = 25  # of them drawn at random; the others are neighbours of the leaders
    recalibration: Count = 320  # images by which a net has its BatchNorm statistics before it is ranked
    words: Count | None = 500  # of validation, by whose loss nets are ranked; null: all of them
    min_m: NotNegative = 0.0  # of a ranked net at least, as in random; at most: operators.budget_m
    finalists: Count = 2  # trained on from the supernet's weights, each with a full training

    @model_validator(mode="after")
    def _check(self) -> OneShotSection:
        if self.opened < self.alone:
            raise ValueError(f"opened: {self.opened:g} is less than alone, which is {self.alone:g}")
        for name in ("population", "finalists"):
            if getattr(self, name) > self.nets:
                raise ValueError(f"{name}: {getattr(self, name)} is more than nets, which is {self.nets}")
        return self


class FrontSection(Section):
    """Several nets along cost and accuracy instead of one, from strategies that compare nets."""

    size: Annotated[int, Field(ge=1, le=1000)] = 1  # nets at most; 1: the most accurate alone


class ProxySection(Section):
    """What stands in for a part of the recognizer while nets are ranked; the winner is trained without it."""

    translator: TranslatorKind | None = None  # ctc reads sooner than attention; null: the model's own


class SearchSection(Section):
    """The steps of a search."""

    init: InitSection = InitSection()  # as in training, of path trials and supernets
    augment: Augment | None = None  # of path trials and of the operator search; null: as in training
    proxy: ProxySection = ProxySection()
    cost: CostSection = CostSection()
    path: PathSection = PathSection()
    operators: OperatorsSection = OperatorsSection()
    random: RandomSection = RandomSection()
    halving: HalvingSection = HalvingSection()
    one_shot: OneShotSection = OneShotSection()
    front: FrontSection = FrontSection()

    @property
    def one_shot_finalists(self) -> int:
        """Nets that a one-shot search trains: as many as its front may have, at least."""
        return max(self.one_shot.finalists, self.front.size)

    @model_validator(mode="after")
    def _one_budget(self) -> SearchSection:
        """`cost.budget` stands in `operators.budget_m` too, and in G where it is in no MACs."""
        cost, operators = self.cost, self.operators
        given = operators.model_fields_set
        if cost.budget is None:
            return self
        if "budget_m" in given and operators.budget_m != cost.budget:
            raise ValueError(
                f"operators.budget_m: is {operators.budget_m:g}, and search.cost.budget is {cost.budget:g} "
                f"{cost.price.unit}; leave one of them out"
            )
        own = {"budget_m": cost.budget}
        if cost.kind != "macs" and "g_m" not in given:
            own["g_m"] = cost.budget
        return self.model_copy(update={"operators": operators.model_copy(update=own)})

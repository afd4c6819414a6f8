"""NNI's regularized evolution whose mutants are neighbours."""

from __future__ import annotations

from nni.nas.space import ExecutableModelSpace
from nni.nas.strategy import RegularizedEvolution

from autostr_nni.search_spaces.nni_space import PATH_KEY


class NeighbourEvolution(RegularizedEvolution):  # type: ignore[misc]
    """NNI's `RegularizedEvolution`, each mutant on a neighbouring stride path or with one other operation.

    NNI's own draws a mutated variable afresh, and a path drawn afresh has next to nothing of its parent's.
    Here one downsampling moves, or two are swapped, as the stride-path variable proposes
    (`StridePathChoice.mutate`). Mutants over the budget are drawn again.

    Args:
        population_size, sample_size, dedup, seed: as those of NNI's class.
    """

    def __init__(
        self,
        *,
        population_size: int = 100,
        sample_size: int = 25,
        dedup: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(population_size=population_size, sample_size=sample_size, dedup=dedup, seed=seed)

    def new_individual(self) -> ExecutableModelSpace:
        """Draw a mutant; NNI draws again where it raises `SampleValidationError`."""
        path = self.model_space.simplify()[PATH_KEY]
        sample = path.mutate(self.best_parent(), self._random_state)
        model = self.model_space.freeze(sample)
        if self._dedup_helper is not None:
            self._dedup_helper.dedup(sample)
        self._individual_counter += 1
        return model

"""The model space as NNI's engine sends it to trials, with parameters that its page can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nni.nas.space import ModelStatus, SimplifiedModelSpace
from nni.nas.space.metrics import Metrics

from autostr_nni.search_spaces.nni_space import default_backbone
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.steps import OPERATORS, PATH, TRAIN

SPACE = "search_space"  # how a `SearchSpace` is sent to trials


class ReadableModelSpace(SimplifiedModelSpace):  # type: ignore[misc]
    """An `AutoSTRSpace` for NNI's engines; frozen, one trial of it.

    NNI's page shows a trial's `mutation_summary`, or pickles where there is none. A final metric that is a
    dictionary counts by its `default`, so that NNI's strategies can rank models by it.
    """

    default_operation = DEFAULT_OPERATION

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # A strict one raises at a report without `default`, as those of operator searches: NNI's engine would
        # then listen no more, and the search hang.
        self.metrics = Metrics(strict=False)

    @classmethod
    def of(cls, space: SimplifiedModelSpace) -> ReadableModelSpace:
        """The same space."""
        return space if isinstance(space, cls) else cls(space.model, space.mutables, space.evaluator)

    @property
    def search_space(self) -> SearchSpace:
        """The space that the `AutoSTRSpace` was made of."""
        given = self.model.trace_args[0] if self.model.trace_args else self.model.trace_kwargs.get("space")
        return given or SearchSpace()

    @property
    def metric(self) -> Any:
        """The number that models are ranked by; None before the trial has ended."""
        final = self.metrics.final
        return final.get("default") if isinstance(final, Mapping) else final

    def propose(self, parameters: Mapping[str, Any], default_operation: str) -> ReadableModelSpace:
        """The trial with a strategy's parameters, of any step; step 1 has `default_operation` everywhere."""
        model = type(self)(self.model, self.mutables, self.evaluator)
        model.status = ModelStatus.Frozen
        model.sample = dict(parameters)
        model.default_operation = default_operation
        return model

    def executable_model(self) -> Any:
        """What the evaluator is given: a `Backbone`, or in the operator search the `Supernet` on its path."""
        sample = self.sample or {}
        step = sample.get("step", TRAIN)
        if step == TRAIN:
            return super().executable_model()
        space = self.search_space
        path = StridePath.parse(sample["stride_path"], space.stage_layers)
        if step == PATH:
            return default_backbone(path, space, self.default_operation)
        assert step == OPERATORS
        from autostr_nni.supernet.supernet import Supernet

        return Supernet(path, space)

    def _dump(self) -> dict[str, Any]:
        content: dict[str, Any] = super()._dump()
        if self.sample is not None:
            content["mutation_summary"] = dict(self.sample)
            content["default_operation"] = self.default_operation
        # NNI would pickle the space; and a net is built without a price.
        given = {key: value for key, value in content["model_kwargs"].items() if key != "price"}
        content["model_args"] = [_plain(value) for value in content["model_args"]]
        content["model_kwargs"] = {key: _plain(value) for key, value in given.items()}
        return content

    @classmethod
    def _load(cls, **attributes: Any) -> ReadableModelSpace:
        attributes["model_args"] = [_space(value) for value in attributes["model_args"]]
        attributes["model_kwargs"] = {key: _space(value) for key, value in attributes["model_kwargs"].items()}
        model: ReadableModelSpace = super()._load(**attributes)
        model.default_operation = attributes.get("default_operation", cls.default_operation)
        return model


def _plain(value: Any) -> Any:
    return {SPACE: asdict(value)} if isinstance(value, SearchSpace) else value


def _space(value: Any) -> Any:
    if not isinstance(value, Mapping) or value.keys() != {SPACE}:
        return value
    return SearchSpace(**value[SPACE])

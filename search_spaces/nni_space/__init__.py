"""The search space as an NNI model space: alone in these rooms it stands on the networks, and so on torch."""

from .blocks import OperationChoice
from .space import AutoSTRSpace, default_backbone, frozen_net, sample_of
from .variables import PATH_KEY, StridePathChoice, architecture_of

__all__ = [
    "PATH_KEY",
    "AutoSTRSpace",
    "OperationChoice",
    "StridePathChoice",
    "architecture_of",
    "default_backbone",
    "frozen_net",
    "sample_of",
]

"""A whole search in this process, without NNI's manager: for notebooks, GPU machines and tests."""

from autostr_nni.inprocess.run import run_search

__all__ = ["run_search"]

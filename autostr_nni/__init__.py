"""AutoSTR for NNI: neural architecture search of scene text recognition backbones."""

from autostr_nni.system.user import settle

__version__ = "0.2.0"

settle()

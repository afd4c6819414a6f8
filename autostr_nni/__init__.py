"""AutoSTR for NNI: neural architecture search of scene text recognition backbones."""

__version__ = "0.1.0"

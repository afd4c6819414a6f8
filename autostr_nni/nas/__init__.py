"""NNI's Python API for neural architecture search: experiment, space, strategy, evaluator."""

"""Trained recognizers as files for other programs: ONNX, torch.export and TorchScript.

The file takes uint8 RGB images ``[batch, 3, height, width]`` of the size in its metadata, any batch, and
scales the pixels itself. A recognizer gives ``ids`` int64 ``[batch, max_length + 1]`` (a number of
``charset`` per character; ``len(charset)`` ends the word), ``confidence [batch]`` and ``logits
[batch, max_length + 1, classes]``; an encoder gives ``features [batch, steps, features]``.
"""

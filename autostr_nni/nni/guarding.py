"""What NNI calls of a tuner: one call at a time, and no fault that would stall the experiment."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import nni

Method = TypeVar("Method", bound=Callable[..., Any])


def guarded(method: Method) -> Method:
    """A method of a tuner that has a `_lock`, and a way to end the experiment by a fault, `_fail`.

    NNI calls from two threads.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            try:
                return method(self, *args, **kwargs)
            except nni.NoMoreTrialError:
                raise
            except Exception as error:
                self._fail(error)

    return cast("Method", call)

"""A recipe's sets, made ready in a process of its own: what renders them is gone before a net is trained.

``python -m autostr_nni.data.sets.apart PIPE PARENT``
"""

from __future__ import annotations

import sys
from pathlib import Path

from autostr_nni.system.leaving import stoppable
from autostr_nni.system.lifeline import answer, call, receive, started


def prepare_apart(recipe: Path) -> None:
    """`prepare.prepare_data` for a recipe's file. Raises InputError as it does."""
    call("autostr_nni.data.sets.apart", recipe)


def main() -> int:
    """Make the sets of the recipe that comes through the pipe ready; the exit status."""
    connection = started()
    recipe = receive(connection)

    def work() -> None:
        from autostr_nni.data.sets.prepare import prepare_data
        from autostr_nni.recipe import load_recipe

        prepare_data(load_recipe(recipe))

    with stoppable():
        return answer(connection, work)


if __name__ == "__main__":
    sys.exit(main())

"""Weights to start from: what of a trained net fits a new one, part by part, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from autostr_nni.data.charset import Charset
from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.training import InitSection
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import fingerprint
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.going_on.continuing import checkpoint_of
from autostr_nni.training.going_on.told import Share, differing_characters, told

#: Weights with a row per class: the characters, the end of a word and, in the embedding, its beginning.
OF_CLASSES = ("classify.weight", "classify.bias", "embedding.weight")
TRANSLATOR = "translator"


@dataclass(frozen=True)
class Init:
    """A trained net's checkpoint to start from, and the key or option that names it."""

    key: str
    file: Path
    sha256: str | None = None  # what the recipe knows of its content

    @classmethod
    def of(cls, key: str, section: InitSection) -> Init | None:
        """What a section of a recipe names; None where it names nothing."""
        return None if section.file is None else cls(key, section.file, section.sha256)

    def load(self) -> Trained:
        """The net. Raises InputError where the file is missing, damaged, or not what the recipe knows."""
        try:
            if self.sha256 is not None and fingerprint(self.file) != self.sha256:
                raise InputError(
                    f"{self.file}: is not the file that the recipe was read with; put it back, or start anew"
                )
            return load_trained(self.file)
        except InputError as error:
            raise InputError(f"{self.key}: {error}") from None


class Layered(Protocol):
    """What a backbone and a supernet have in common."""

    stem: nn.Module
    blocks: nn.ModuleList

    def modules_of(self, layer: int, operation: str) -> list[nn.Module]:
        """The modules of an operation in a layer, counted from 0; none where it is not there."""


class Part(NamedTuple):
    """A part of a net, and the same part of the saved one."""

    name: str
    here: list[nn.Module]  # several where an operation has one for each stride
    there: nn.Module | None
    why: str = ""  # there is none that could fit


def begin(net: Recognizer, recipe: Recipe, init: Init | None, folder: Path, team: Team) -> None:
    """Start from ``init``, and tell, where the trial in ``folder`` has no checkpoint to go on from.

    Raises:
        InputError: the file cannot be used, or nothing of it fits.
    """
    if init is None or team.as_leader(lambda: checkpoint_of(folder)) is not None:
        return
    lines = start_from(net, recipe, init)
    if team.leads:
        print("\n".join(lines), flush=True)


def start_from(net: Recognizer, recipe: Recipe, init: Init) -> list[str]:
    """Put into ``net``, which is not trained yet, what fits of a saved one; what is to be said of it.

    Weights fit by name and shape, those of one convolution, normalisation or recurrent layer together or not
    at all; a layer's by its operation too, so that a choice block has them in the candidate that the saved
    layer is. Classes are matched by character. Whatever does not fit stays as it was drawn.

    Args:
        net: its backbone may also be a supernet.
        recipe: whose charset it has.

    Raises:
        InputError: the file cannot be used, or nothing of it fits.
    """
    saved = init.load()
    wanted, known = (Charset.named(one.data.charset).characters for one in (recipe, saved.recipe))
    shares = fitting(net, saved, wanted, known, put=True)
    _check_any(init, shares)
    lines = told(str(init.file), shares, one_of_several=not hasattr(net.backbone, "operations"))
    differ = differing_characters(wanted, known)
    if differ and any(share.taken and share.name == TRANSLATOR for share in shares):
        lines.append(f"  {differ}")
    return lines


def check_inits(recipe: Recipe) -> None:
    """Look at what ``search.init`` and ``training.init`` name, before anything starts.

    Raises:
        InputError: a file cannot be used, or nothing of it can fit any net of the search.
    """
    for key, section, by in (
        ("search.init", recipe.search.init, recipe.for_ranking()),
        ("training.init", recipe.training.init, recipe),
    ):
        init = Init.of(key, section)
        if init is None:
            continue
        saved = init.load()
        charset = Charset.named(by.data.charset)
        with torch.device("meta"):  # shapes alone
            net = build_recognizer(_likest(saved, by), by.space(), by.model, charset.classes)
        theirs = Charset.named(saved.recipe.data.charset).characters
        _check_any(init, fitting(net, saved, charset.characters, theirs, put=False))


def _check_any(init: Init, shares: list[Share]) -> None:
    if not any(share.taken for share in shares):
        causes = told("", shares)[-1].partition(": ")[2]
        raise InputError(
            f"{init.key}: nothing of {init.file} fits: {causes}; give a net of the same model, or none"
        )


def _likest(saved: Trained, recipe: Recipe) -> Architecture:
    """The net of a recipe's space that has most of a saved one's layers."""
    space, theirs = recipe.space(), saved.architecture
    path = recipe.search_paths()[0] if space.paths.why_not(theirs.path) else theirs.path
    names = []
    for layer in range(1, space.layers + 1):
        offered = space.candidates(path, layer)
        own = theirs.operations[layer - 1] if layer <= len(theirs.operations) else ""
        names.append(own if own in (*offered, recipe.search.path.default_operation) else offered[0])
    return Architecture(path, tuple(names), space.stage_layers)


def fitting(net: Recognizer, saved: Trained, mine: str, theirs: str, put: bool) -> list[Share]:
    """What each part of a net has of a saved one; with ``put`` it is put there.

    Args:
        mine, theirs: the characters of their classes.
    """
    shares = []
    for part in _parts(net, saved):
        rows = (lambda count: _rows(count, mine, theirs)) if part.name == TRANSLATOR else None
        shares.append(
            max((_share(part, here, rows, put) for here in part.here), key=lambda share: share.taken)
        )
    return [share for share in shares if share.of]


def _parts(net: Recognizer, saved: Trained) -> Iterator[Part]:
    """The parts of a net, in the order in which an image goes through them."""
    mine, theirs = (cast(Layered, one.backbone) for one in (net, saved.recognizer))
    yield Part("rectifier", [net.rectifier], saved.recognizer.rectifier)
    yield Part("stem", [mine.stem], theirs.stem)
    operations = saved.architecture.operations
    for place, block in enumerate(mine.blocks):
        homes: list[nn.Module] = []
        there: nn.Module | None = None
        why = ""
        if place < len(operations):
            there, why = theirs.blocks[place], f"{operations[place]} there"
            if there.state_dict():  # a skip has nothing to give
                homes = mine.modules_of(place, operations[place])
        yield Part(f"layer {place + 1}", homes or [block], there if homes else None, why)
    yield Part("BiLSTM", [net.encoder], saved.recognizer.encoder)
    decoder = saved.recognizer.decoder
    same = type(decoder) is type(net.decoder)
    kind = saved.recipe.model.translator.kind
    yield Part(TRANSLATOR, [net.decoder], decoder if same else None, f"{kind} there")


def _share(
    part: Part, here: nn.Module, rows: Callable[[int], tuple[Tensor, Tensor]] | None, put: bool
) -> Share:
    own = here.state_dict()
    theirs = {} if part.there is None else part.there.state_dict()

    def shape(name: str, value: Tensor) -> torch.Size:
        return value.shape[1:] if rows and name in OF_CLASSES else value.shape

    alike = {name for name in own if name in theirs and shape(name, own[name]) == shape(name, theirs[name])}
    owners, broken = {_owner(name) for name in own}, {_owner(name) for name in own.keys() - alike}
    taken = [name for name in own if _owner(name) not in broken]
    for name in taken if put else ():
        if rows and name in OF_CLASSES:
            to, of = rows(len(own[name]))
            own[name][to] = theirs[name][of]
        else:
            own[name].copy_(theirs[name])
    why = "of another size there" if any(name in theirs for name in own.keys() - alike) else "more of it here"
    if not theirs:
        why = part.why or "none there"
    return Share(part.name, len(owners - broken), len(owners), why)


def _owner(name: str) -> str:
    """The layer that a weight is of; of an LSTM of several, each direction of each by itself."""
    owner, _, last = name.rpartition(".")
    return owner + last[last.find("_l") :] if "_l" in last else owner


def _rows(count: int, mine: str, theirs: str) -> tuple[Tensor, Tensor]:
    """Rows, of ``count``, of the characters that both have and of a word's end and beginning; and theirs."""
    rows = {character: row for row, character in enumerate(theirs)}
    known = [(row, rows[character]) for row, character in enumerate(mine) if character in rows]
    known += [(len(mine) + extra, len(theirs) + extra) for extra in range(count - len(mine))]
    to, of = torch.tensor(known).unbind(1)
    return to, of

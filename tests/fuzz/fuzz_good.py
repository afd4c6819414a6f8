"""Good files of every kind that the commands read: what the others are made of by damaging them."""

from __future__ import annotations

import io
import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw

RECIPE: dict[str, Any] = {
    "seed": 5,
    "data": {
        "train": ["words"],
        "validation": ["words"],
        "test": {"numbers": "words"},
        "charset": "digits",
        "max_length": 3,
        "workers": 0,
    },
    "model": {
        "image": [32, 32],
        "stem_width": 4,
        "stage_widths": [4, 4, 4, 4, 4],
        "stage_layers": [2, 1, 1, 1, 1],
        "width_multiplier": 1.0,
        "rectifier": {
            "image": [32, 48],
            "localization": [8, 16],
            "points": 6,
            "channels": [3, 4],
            "features": 5,
        },
        "translator": {"encoder_layers": 1, "hidden": 4, "decoder": 6, "attention": 4, "embedding": 4},
    },
    "training": {
        "batch_size": 8,
        "epochs": 2,
        "optimizer": {"name": "adadelta", "lr": 1.0, "rho": 0.9, "eps": 1.0e-6},
        "milestones": [1],
        "clip": 1.0,
        "threads": 1,
        "device": "cpu",
    },
    "search": {
        "path": {"epochs": 1, "paths": ["AABBB", "ABABB"], "default_operation": "k3e1"},
        "operators": {"epochs": 1, "operations": ["k3e1", "k5e3", "skip"], "budget_m": 450, "beta": 0.6},
        "random": {"count": 2},
    },
}
EXPERIMENT: dict[str, Any] = {
    "experimentName": "tiny",
    "searchSpace": {"stride_path": {"_type": "choice", "_value": ["AABBB", "ABABB"]}},
    "trialCommand": "python -m autostr_nni.trial --recipe recipe.yml",
    "trialCodeDirectory": ".",
    "trialConcurrency": 2,
    "maxTrialNumber": 20,
    "maxExperimentDuration": "1h",
    "experimentWorkingDirectory": "experiments",
    "tuner": {
        "className": "autostr_nni.nni.tuner.TwoStepTuner",
        "codeDirectory": ".",
        "classArgs": {"recipe": "recipe.yml"},
    },
    "trainingService": {"platform": "local"},
}
ARCHITECTURE = "ABABB:k3e1,skip,k3e1,k5e3,k3e1,k3e1"
#: Formats and modes of pictures, each as a file would be made by somebody.
PICTURES = {
    "word.png": ("RGB", "PNG", {}),
    "word.jpg": ("RGB", "JPEG", {}),
    "progressive.jpg": ("RGB", "JPEG", {"progressive": True}),
    "cmyk.jpg": ("CMYK", "JPEG", {}),
    "grey.jpg": ("L", "JPEG", {}),
    "palette.gif": ("P", "GIF", {}),
    "palette.png": ("P", "PNG", {}),
    "deep.png": ("I;16", "PNG", {}),
    "clear.png": ("RGBA", "PNG", {}),
    "binary.png": ("1", "PNG", {}),
    "word.tif": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "deflate.tif": ("RGB", "TIFF", {"compression": "tiff_deflate"}),
    "float.tif": ("F", "TIFF", {}),
    "word.webp": ("RGB", "WEBP", {}),
    "word.bmp": ("RGB", "BMP", {}),
}


def picture(mode: str = "RGB", form: str = "PNG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    """The bytes of an image file."""
    image = Image.new("RGB", size, (230, 220, 210))
    ImageDraw.Draw(image).line([(2, 2), (size[0] - 3, size[1] - 3)], fill=(20, 30, 40), width=3)
    if mode == "I;16":
        converted = Image.frombytes("I;16", size, bytes(2 * size[0] * size[1]))
    else:
        converted = image.convert(mode)
    file = io.BytesIO()
    converted.save(file, form, **options)
    return file.getvalue()


def make(folder: Path) -> None:
    """Fill a folder: recipe, experiment, architecture, set, images, checkpoint, list, lexicon, searches."""
    from autostr_nni.data.sets.lmdb_write import write_lmdb
    from autostr_nni.data.synth.glyphs import matplotlib_fonts
    from autostr_nni.recipe import load_recipe
    from autostr_nni.search_spaces.architecture import Architecture

    (folder / "recipe.yml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    (folder / "experiment.yml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
    rng = random.Random(0)
    words = [(picture(size=(rng.randrange(20, 60), 20)), str(rng.randrange(1000))) for _ in range(40)]
    # One that needs overflow pages.
    noise = Image.frombytes("RGB", (60, 40), rng.randbytes(7200))
    file = io.BytesIO()
    noise.save(file, "PNG")
    write_lmdb(folder / "words", [*words, (file.getvalue(), "7")])
    for name, (mode, form, options) in PICTURES.items():
        (folder / name).write_bytes(picture(mode, form, **options))
    (folder / "list.tsv").write_text("word.png\t12\nword.jpg\tOpen é\npalette.gif\ta b\n", encoding="utf-8")
    (folder / "lexicon.txt").write_text("apple\nbread\t2.5\nécole\n", encoding="utf-8")
    (folder / "fonts").mkdir()
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", folder / "fonts")
    recipe = load_recipe(folder / "recipe.yml")
    space = recipe.space()
    architecture = Architecture.parse(ARCHITECTURE, space)
    (folder / "net.json").write_text(architecture.to_json(space))
    _checkpoint(folder / "net.ckpt", recipe, architecture, space)
    _search(folder / "search", recipe)
    _experiment(folder / "experiment1", folder, recipe)


def _checkpoint(path: Path, recipe: Any, architecture: Any, space: Any) -> None:
    from autostr_nni.data.charset import Charset
    from autostr_nni.models.recognizer import build_recognizer
    from autostr_nni.reading.checkpoint import Trained, save_trained

    classes = Charset.named(recipe.data.charset).classes
    net = build_recognizer(architecture, space, recipe.model, classes)
    save_trained(path, Trained(net, recipe, architecture, space, {"default": 0.5, "epoch": 1}))


def _epoch(number: int) -> dict[str, Any]:
    return {
        "default": 0.1 * number, "loss": 5.0 - number, "macs_m": 0.5, "params_m": 0.1, "words": 41,
        "one_minus_ned": 0.2,
        "images_seen": 48 * (number + 1), "seconds": 1.5 * (number + 1), "epoch": number,
    }  # fmt: skip


def _search(folder: Path, recipe: Any) -> None:
    """A search of the in-process runner that is over."""
    from autostr_nni.inprocess.run import run_search
    from autostr_nni.strategies import build

    def run(parameters: dict[str, Any], recipe: Any, place: Path, report: Any) -> dict[str, Any]:
        metrics = _epoch(1)
        if parameters["step"] == "operators":
            metrics["architecture"] = f"{parameters['stride_path']}:{ARCHITECTURE.partition(':')[2]}"
            layers = [
                {op: 1 / 3 for op in ("k3e1", "k5e3", "skip")} if layer == 1 else {"k3e1": 0.5, "k5e3": 0.5}
                for layer in range(6)
            ]
            lines = [{"epoch": epoch, "layers": layers} for epoch in (0, 1)]
            (place / "probabilities.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (place / "metrics.jsonl").write_text("".join(json.dumps(_epoch(n)) + "\n" for n in (0, 1)))
        test = {"numbers": {"words": 41, "correct": 20, "word_accuracy": 20 / 41, "one_minus_ned": 0.6}}
        result = {"parameters": parameters, "metrics": metrics, "test": test}
        (place / "result.json").write_text(json.dumps(result))
        return metrics

    run_search(build("two-step", recipe), recipe, folder, run, log=lambda line: None)


def _experiment(folder: Path, home: Path, recipe: Any) -> None:
    """An NNI experiment with two path trials, one of them cut short."""
    from autostr_nni.runs.layout import NNI_STATE, RECIPE
    from autostr_nni.strategies import build

    (folder / "db").mkdir(parents=True)
    params = {**EXPERIMENT, "experimentWorkingDirectory": str(home)}
    params["tuner"] = {
        **EXPERIMENT["tuner"], "codeDirectory": str(home), "classArgs": {"recipe": str(home / "recipe.yml")}
    }  # fmt: skip
    strategy = build("two-step", recipe)
    proposals = strategy.suggest()
    strategy.observe(proposals[0].id, _epoch(1))
    about = {"strategy": "two-step", "planned": strategy.planned, "finished": False, "failure": None}
    (folder / NNI_STATE).write_text(json.dumps({**about, "state": strategy.state_dict()}))
    (folder / RECIPE).write_text(json.dumps(recipe.model_dump(mode="json")))
    with sqlite3.connect(folder / "db" / "nni.sqlite") as base:
        base.execute(
            "CREATE TABLE ExperimentProfile (params TEXT, id TEXT, execDuration INTEGER, startTime INTEGER, "
            "endTime INTEGER, logDir TEXT, nextSequenceId INTEGER, revision INTEGER)"
        )
        base.execute(
            "CREATE TABLE TrialJobEvent (timestamp INTEGER, trialJobId TEXT, event TEXT, data TEXT, "
            "logPath TEXT, sequenceId INTEGER, message TEXT)"
        )
        base.execute(
            "CREATE TABLE MetricData (timestamp INTEGER, trialJobId TEXT, parameterId TEXT, type TEXT, "
            "sequence INTEGER, data TEXT)"
        )
        base.execute(
            "INSERT INTO ExperimentProfile VALUES (?, ?, 60, 1, NULL, ?, 2, 1)",
            [json.dumps(params), folder.name, str(home)],
        )
        for number, (proposal, end) in enumerate(zip(proposals, ("SUCCEEDED", "RUNNING"), strict=False)):
            job = f"tria{number}"
            data = json.dumps({"parameter_id": number, "parameters": proposal.parameters})
            rows = [(1000 + number, job, "WAITING", data, None, number, None)]
            rows += [(2000 + number, job, event, None, None, number, None) for event in ("RUNNING", end)]
            base.executemany("INSERT INTO TrialJobEvent VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            place = folder / "environments" / "local-env" / "trials" / job
            place.mkdir(parents=True)
            (place / "parameters.json").write_text(json.dumps({"parameters": proposal.parameters}))
            (place / "metrics.jsonl").write_text(json.dumps(_epoch(0)) + "\n")
        base.execute(
            "INSERT INTO MetricData VALUES (3000, 'tria0', '0', 'FINAL', 0, ?)",
            [json.dumps(json.dumps(_epoch(1)))],
        )
    base.close()

from __future__ import annotations

import random
import shutil
import string
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from autostr_nni.data.decoding.images import decode_image
from autostr_nni.data.synth.camera import encode
from autostr_nni.data.synth.fonts import Face, find_faces
from autostr_nni.data.synth.geometry import Bend
from autostr_nni.data.synth.glyphs import check_file, matplotlib_fonts
from autostr_nni.data.synth.letters import choose_face, draw_letters
from autostr_nni.data.synth.render import render_word
from autostr_nni.data.synth.style import MILD, SCENE, STYLES
from autostr_nni.system.errors import InputError


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Face, ...]:
    """Few faces, the same on every machine."""
    folder = tmp_path_factory.mktemp("fonts")
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "STIXGeneralItalic", "cmss10"):
        shutil.copy(matplotlib_fonts() / f"{name}.ttf", folder)
    return tuple(find_faces([folder], system=False))


def test_faces(faces: tuple[Face, ...]) -> None:
    assert len(faces) == 5
    assert all(set(string.digits + string.ascii_letters) <= face.characters for face in faces)
    by_name = {Path(face.path).stem: face for face in faces}
    assert set(string.punctuation) <= by_name["DejaVuSans-Bold"].characters
    assert "<" not in by_name["cmss10"].characters  # another sign in its place
    assert not any(face.capitals_only for face in faces)
    assert by_name["DejaVuSans"].weight < by_name["DejaVuSerif"].weight


@pytest.mark.parametrize(
    "name", ["cmsy10", "cmex10", "STIXSizOneSymReg", "STIXNonUni", "LastResortHE-Regular"]
)
def test_symbol_faces_are_left_out(name: str) -> None:
    path = matplotlib_fonts() / f"{name}.ttf"
    if not path.exists():
        pytest.skip("this matplotlib does not bring it")
    assert check_file(str(path)) == []


def changed_face(place: Path, keep: str, maps: dict[str, str]) -> str:
    """DejaVu Sans with the characters ``keep`` alone, and some mapped to the glyphs of others."""
    font = TTFont(matplotlib_fonts() / "DejaVuSans.ttf")
    for table in font["cmap"].tables:
        if table.isUnicode():
            glyphs = dict(table.cmap)
            table.cmap = {code: glyph for code, glyph in glyphs.items() if chr(code) in keep}
            table.cmap |= {ord(c): glyphs[ord(like)] for c, like in maps.items()}
    font.save(place)
    return str(place)


def test_faces_without_latin_letters_draw_what_they_have(tmp_path: Path) -> None:
    path = changed_face(tmp_path / "a.ttf", "абвгд7", {})
    assert check_file(path) == []
    (face,) = check_file(path, "абвгé人")
    assert set(face["characters"]) == set("абвг7")


def test_letters_that_a_face_draws_otherwise_are_not_its_letters(tmp_path: Path) -> None:
    latin = string.digits + string.ascii_letters
    maps = {"é": "e", "ж": "o", "人": "A", "口": "A", "一": "B"}
    path = changed_face(tmp_path / "a.ttf", latin + "üб", maps)
    (face,) = check_file(path, "éüжб人口一")
    assert set(face["characters"]) == {*latin, "ü", "б", "一"}  # nothing tells that the last is none


def test_words_beside_are_in_letters_of_the_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = check_file(changed_face(tmp_path / "a.ttf", "абв24", {}), "абв")
    face = Face(str(tmp_path / "a.ttf"), 0, "a", frozenset(found["characters"]), False)
    seen: list[str] = []

    def draw(*arguments):
        seen.extend(arguments[-1])
        return draw_letters(*arguments)

    monkeypatch.setattr("autostr_nni.data.synth.render.draw_letters", draw)
    for seed in range(9):
        render_word("абв", random.Random(seed), (face,), replace(MILD, neighbours=1.0))
    assert set(seen) == {"24"}


def test_damaged_and_missing_fonts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no font"):
        find_faces([tmp_path], system=False)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    with pytest.raises(InputError, match="no usable font"):
        find_faces([tmp_path], system=False)


def test_without_system_and_own_fonts_matplotlibs_serve(
    faces: tuple[Face, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine has installed is no part of it."""
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", tmp_path / "Installed.ttf")
    with open(tmp_path / "Installed.ttf", "ab") as file:
        file.write(b"\0")  # another content, or it would be one that is there already
    monkeypatch.setattr("autostr_nni.data.synth.fonts.SYSTEM_FOLDERS", (str(tmp_path),))
    assert str(tmp_path / "Installed.ttf") in {face.path for face in find_faces()}
    found = find_faces([], system=False)
    assert {Path(face.path).parent for face in found} == {matplotlib_fonts()}
    assert {Path(face.path).name for face in faces} < {Path(face.path).name for face in found}


def test_verdicts_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", fonts / "a.ttf")
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", fonts / "b.ttf")
    first = find_faces([fonts], system=False)
    assert len(first) == 1  # the same content twice
    with monkeypatch.context() as patch:
        patch.setattr("autostr_nni.data.synth.fonts.check_file", lambda path: pytest.fail("looked again"))
        again = find_faces([fonts], system=False)
    assert [face.path for face in again] == [face.path for face in first]
    (memory,) = (tmp_path / "cache" / "autostr").iterdir()
    for damage in ("", "[1]", '{"x": 1}', '{"x": {"stamp": 1}}'):
        memory.write_text(damage)
        assert len(find_faces([fonts], system=False)) == 1


def test_capitals_only_faces_draw_no_small_letters(faces: tuple[Face, ...]) -> None:
    capitals = Face(**{f.name: getattr(faces[0], f.name) for f in fields(Face)} | {"capitals_only": True})
    assert choose_face("Word", (capitals,), random.Random(0)) is None
    assert choose_face("WORD9", (capitals,), random.Random(0)) is capitals
    with pytest.raises(InputError, match="no font draws"):
        render_word("word", random.Random(0), [capitals])


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("text", ["a", "I", "Word", "1-2", "Incomprehensibilities", '"|_~'])
def test_pictures(faces: tuple[Face, ...], style: str, text: str) -> None:
    for seed in range(8):
        image = render_word(text, random.Random(seed), faces, style, height=32)
        assert image.mode == "RGB"
        assert 8 <= image.height <= 64
        assert 4 <= image.width <= 32 * 30
        data = encode(image, random.Random(seed), STYLES[style])
        assert decode_image(data, (32, 100)) is not None
        assert np.asarray(image).std() > 2  # something is to be seen


def test_all_comes_from_the_seed(faces: tuple[Face, ...]) -> None:
    def picture(seed: int) -> bytes:
        return render_word("Street", random.Random(seed), faces).tobytes()

    assert [picture(seed) for seed in range(6)] == [picture(seed) for seed in range(6)]
    assert picture(0) != picture(1)


EFFECTS = [
    "outline", "shadow", "depth", "underline", "two_tone", "neighbours", "curve", "motion",
    "light", "dirt", "small", "texture", "spacing", "bold", "steep", "blur",
]  # fmt: skip


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_changes_the_picture(faces: tuple[Face, ...], name: str) -> None:
    without = replace(SCENE, **{name: 0.0})
    with_it = replace(SCENE, **{name: 1.0})
    pictures = [render_word("Effects", random.Random(5), faces, style) for style in (without, with_it)]
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_mild_words_stand_out(faces: tuple[Face, ...]) -> None:
    for seed in range(20):
        image = render_word("308", random.Random(seed), faces, MILD)
        grey = np.asarray(image.convert("L"), dtype=float)
        assert np.percentile(grey, 97) - np.percentile(grey, 3) > 45


def test_photographs_as_backgrounds(faces: tuple[Face, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"broken")
    style = replace(SCENE, photo=1.0)
    for seed in range(4):
        photos = (str(tmp_path / "a.png"), str(tmp_path / "b.jpg"))
        assert render_word("Photo", random.Random(seed), faces, style, photos=photos).width > 8


@pytest.mark.parametrize("bend", [Bend(), Bend(radius=2.5), Bend(radius=-2.5), Bend(wave=0.2, half=2.0)])
def test_bends_are_undone(bend: Bend) -> None:
    x, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-0.5, 0.5, 5))
    back = bend.backward(*bend.forward(x, y))
    assert np.allclose(back[0], x) and np.allclose(back[1], y)


def test_is_fast(faces: tuple[Face, ...]) -> None:
    """A loose bound, against a slip of a factor."""
    rng = random.Random(0)
    render_word("warm", rng, faces)
    start = time.process_time()
    for _ in range(100):
        render_word("Speed", rng, faces)
    assert time.process_time() - start < 3

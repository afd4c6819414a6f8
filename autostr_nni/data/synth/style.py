"""How hard rendered words are to read: how often and how strongly each effect is applied."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """Chances are 0 to 1; lengths are in units of the word's height unless they are said to be pixels."""

    # Letters
    spacing: float  #: chance of letters set apart or together
    spacing_range: Range  #: extra advance between letters
    bold: float  #: chance of a thickened face
    stretch: Range  #: horizontal scale
    slant: Range  #: horizontal shift per unit of height
    outline: float
    hollow: float  #: chance that an outlined word has the background's colour inside
    shadow: float
    depth: float  #: chance of an extruded side
    underline: float
    two_tone: float  #: chance of a gradient inside the letters
    neighbours: float  #: chance of pieces of other words at the edge
    # Geometry
    rotation: tuple[float, float]  #: usual standard deviation, and largest angle of the rare ones, in degrees
    steep: float  #: chance of a large rotation
    perspective: float  #: standard deviation of the horizon's tilt
    curve: float  #: chance of a bent baseline
    bend: float  #: largest half angle of an arc in degrees
    margin: Range  #: room around the word
    # Surface
    contrast: Range  #: luminance between letters and background of an ordinary word, 0 to 255
    faint: float  #: chance of a word of low contrast
    faint_range: Range
    texture: float  #: chance of a background that is not plain
    photo: float  #: chance of a piece of a photograph, where there are any
    light: float  #: chance of uneven light
    dirt: float  #: chance of scratches over the word
    # Camera
    blur: float
    blur_range: Range  #: radius in pixels where the height is 32
    motion: float
    small: float  #: chance of a low resolution
    small_range: Range  #: its height in pixels, where the usual one is 40
    noise: Range  #: standard deviation, 0 to 255
    quality: tuple[int, int]  #: JPEG quality


MILD = Style(
    spacing=0.2,
    spacing_range=(0.0, 0.12),
    bold=0.1,
    stretch=(0.85, 1.15),
    slant=(-0.05, 0.1),
    outline=0.0,
    hollow=0.0,
    shadow=0.05,
    depth=0.0,
    underline=0.0,
    two_tone=0.0,
    neighbours=0.0,
    rotation=(1.5, 4.0),
    steep=0.0,
    perspective=0.02,
    curve=0.0,
    bend=0.0,
    margin=(0.04, 0.25),
    contrast=(90.0, 255.0),
    faint=0.0,
    faint_range=(90.0, 90.0),
    texture=0.2,
    photo=0.1,
    light=0.2,
    dirt=0.0,
    blur=0.3,
    blur_range=(0.2, 0.6),
    motion=0.0,
    small=0.0,
    small_range=(20.0, 32.0),
    noise=(0.0, 6.0),
    quality=(80, 95),
)

SCENE = Style(
    spacing=0.35,
    spacing_range=(-0.06, 0.35),
    bold=0.4,
    stretch=(0.65, 1.45),
    slant=(-0.15, 0.3),
    outline=0.12,
    hollow=0.15,
    shadow=0.16,
    depth=0.07,
    underline=0.03,
    two_tone=0.15,
    neighbours=0.2,
    rotation=(3.5, 40.0),
    steep=0.12,
    perspective=0.12,
    curve=0.16,
    bend=50.0,
    margin=(-0.04, 0.3),
    contrast=(60.0, 255.0),
    faint=0.12,
    faint_range=(30.0, 60.0),
    texture=0.55,
    photo=0.4,
    light=0.4,
    dirt=0.04,
    blur=0.5,
    blur_range=(0.3, 1.6),
    motion=0.1,
    small=0.45,
    small_range=(12.0, 30.0),
    noise=(0.0, 11.0),
    quality=(30, 95),
)

STYLES = {"mild": MILD, "scene": SCENE}

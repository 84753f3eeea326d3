"""What the classes of the built-in data set look like: outlines, materials and textures.

A random generator gives the parts of one object in object coordinates, its colors and its texture;
``render`` places, shades and paints them.

The six classes are three pairs. The two classes of a pair share textures and more or less the
body's shape; its muted hue is a hint. Only their parts identify a class reliably; an object has
two or more, in a signal color: tail, fins and collar or head and rear, handle and badge or cap and
label, hood and load or roof, door and window. So a classifier looks at parts, as it does on
photographs, and an object can make it fire in several places.

Object coordinates are (x, y), x to the right and y down as in an upright picture, the body reaching
to about 1 in both directions. Drawing code is (x, y) throughout, as OpenCV's polygons are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CLASS_NAMES",
    "CLUTTER_NAMES",
    "Look",
    "Part",
    "class_parts",
    "clutter_parts",
    "draw_look",
    "draw_colour",
    "max_tilt",
    "texture",
]


@dataclass(frozen=True)
class Part:
    """A part of an object, painted over the parts before it.

    Attributes:
        rings: outlines, each (N, 2) float64 (x, y), object coordinates; a second one is a hole.
        material: key of :class:`Look`'s colors.
        dome: how strongly it bulges towards the viewer; 0 is flat.
    """

    rings: tuple[np.ndarray, ...]
    material: str
    dome: float = 1.0


@dataclass(frozen=True)
class Look:
    """Colors and texture of one object.

    Attributes:
        colors: material -> (3,) float32 RGB in [0, 1].
        texture: name, see :func:`texture`.
        contrast: of the texture, in [0, 1].
        frequency: of the texture, cycles over the unit length.
    """

    colours: dict[str, np.ndarray]
    texture: str
    contrast: float
    frequency: float


# ------------------------------------------------------------------------------- outlines


def _ellipse(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0
) -> np.ndarray:
    angle = np.radians(np.linspace(start, stop, 40))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _polygon(*corners: tuple[float, float]) -> np.ndarray:
    """Polygon with eight points per edge, so that warping bends its edges."""
    starts = np.array(corners, dtype=np.float64)
    step = np.linspace(0, 1, 8, endpoint=False)[:, None]
    edges = zip(starts, np.roll(starts, -1, axis=0), strict=True)
    return np.concatenate([a + step * (b - a) for a, b in edges])


def _box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> np.ndarray:
    """Box with rounded corners."""
    if radius == 0:
        return _polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    corners = ((x1, y1, 0), (x0, y1, 90), (x0, y0, 180), (x1, y0, 270))
    arcs = []
    for x, y, start in corners:
        angle = np.radians(np.linspace(start, start + 90, 8))
        cx = x - radius if x == x1 else x + radius
        cy = y - radius if y == y1 else y + radius
        arcs.append(np.stack([cx + radius * np.cos(angle), cy + radius * np.sin(angle)], axis=1))
    return np.concatenate(arcs)


def _stroke(x0: float, y0: float, x1: float, y1: float, width: float) -> np.ndarray:
    direction = np.array([x1 - x0, y1 - y0])
    nx, ny = np.array([-direction[1], direction[0]]) / np.linalg.norm(direction) * width / 2
    return _polygon((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny))


def _part(material: str, *rings: np.ndarray, dome: float = 1.0) -> Part:
    return Part(rings, material, dome)


# ------------------------------------------------------------------------------- classes


def _fish(rng: np.random.Generator) -> list[Part]:
    spread, height = rng.uniform(0.5, 0.64), rng.uniform(0.46, 0.56)
    return [
        _part("trim", _polygon((-0.4, 0), (-1.12, -spread), (-0.86, 0), (-1.12, spread)), dome=0.3),
        _part("trim", _polygon((-0.5, -0.25), (-0.2, -height - 0.3), (0.42, -0.25)), dome=0.3),
        _part("body", _ellipse(0.1, 0, 0.76, height)),
        _part("trim", _stroke(0.3, -height * 0.86, 0.26, height * 0.86, 0.24), dome=0.3),
        _part("trim", _polygon((-0.05, 0.02), (-0.48, 0.24), (-0.1, 0.4)), dome=0.3),
        _part("pale", _ellipse(0.6, -0.12, 0.19, 0.19), dome=0.5),
        _part("dark", _ellipse(0.63, -0.12, 0.11, 0.11), dome=0),
    ]


def _beetle(rng: np.random.Generator) -> list[Part]:
    height, splay = rng.uniform(0.4, 0.5), rng.uniform(0.05, 0.22)
    legs = []
    for side in (-1, 1):
        for x, lean in ((-0.45, -splay), (0.02, 0.04), (0.42, splay)):
            tip = (x + lean, side * (height + 0.3))
            legs.append(_part("dark", _stroke(x, side * 0.2, *tip, 0.11), dome=0.4))
    feelers = [_stroke(0.85, side * 0.1, 1.12, side * 0.32, 0.08) for side in (-1, 1)]
    return [
        *legs,
        *(_part("dark", feeler, dome=0.3) for feeler in feelers),
        _part("trim", _ellipse(0.76, 0, 0.32, 0.36)),
        _part("pale", _ellipse(0.88, -0.14, 0.07, 0.07), dome=0.3),
        _part("pale", _ellipse(0.88, 0.14, 0.07, 0.07), dome=0.3),
        _part("body", _ellipse(-0.1, 0, 0.76, height)),
        _part("trim", _ellipse(-0.5, 0, 0.3, height * 0.75), dome=0.3),
        _part("dark", _stroke(-0.85, 0, 0.62, 0, 0.07), dome=0),
    ]


def _mug(rng: np.random.Generator) -> list[Part]:
    height, foot = rng.uniform(0.62, 0.82), rng.uniform(0.42, 0.56)
    handle = (_ellipse(0.58, 0.05, 0.46, 0.5), _ellipse(0.6, 0.05, 0.22, 0.25))
    side = _polygon((-0.6, -height), (0.6, -height), (foot, height), (-foot, height))
    return [
        _part("trim", *handle, dome=0.6),
        _part("body", side),
        _part("body", _ellipse(0, height, foot, 0.13), dome=0.2),
        _part("trim", _ellipse(-0.16, 0.12, 0.3, 0.38), dome=0.3),
        _part("pale", _ellipse(0, -height, 0.62, 0.2), dome=0.2),
        _part("dark", _ellipse(0, -height + 0.02, 0.5, 0.12), dome=0),
    ]


def _bottle(rng: np.random.Generator) -> list[Part]:
    width, shoulder = rng.uniform(0.4, 0.52), rng.uniform(-0.42, -0.2)
    neck = _polygon(
        (-0.17, -0.8), (0.17, -0.8), (0.2, shoulder - 0.1), (width, shoulder + 0.15),
        (-width, shoulder + 0.15), (-0.2, shoulder - 0.1),
    )  # fmt: skip
    label = rng.uniform(0.15, 0.3)
    return [
        _part("body", neck),
        _part("body", _box(-width, shoulder + 0.05, width, 1.0, 0.14)),
        _part("trim", _box(-0.27, -1.08, 0.27, -0.66, 0.05)),
        _part("pale", _box(-width, label - 0.1, width, label + 0.55), dome=0.4),
        _part("trim", _box(-width * 0.8, label - 0.02, width * 0.8, label + 0.47), dome=0.4),
    ]


def _truck(rng: np.random.Generator) -> list[Part]:
    cab, roof = rng.uniform(0.3, 0.46), rng.uniform(-0.6, -0.45)
    wheels = []
    for x in (-0.58, 0.58):
        wheels += [
            _part("dark", _ellipse(x, 0.5, 0.27, 0.27), dome=0.5),
            _part("pale", _ellipse(x, 0.5, 0.11, 0.11), dome=0.5),
        ]
    hood = _polygon((cab, -0.3), (0.8, -0.3), (1.02, 0.06), (1.02, 0.5), (cab, 0.5))
    return [
        _part("body", _box(-1.02, roof, cab + 0.04, 0.5), dome=0.5),
        _part("trim", _box(-0.88, roof + 0.13, -0.22, 0.22, 0.05), dome=0.3),
        _part("trim", hood, dome=0.5),
        _part("glass", _polygon((cab + 0.1, -0.2), (0.75, -0.2), (0.89, 0.07), (cab + 0.1, 0.07))),
        *wheels,
    ]


def _house(rng: np.random.Generator) -> list[Part]:
    eaves, top = rng.uniform(-0.3, -0.12), rng.uniform(-1.0, -0.8)
    door, side = rng.uniform(0.15, 0.3), rng.choice([-1.0, 1.0])
    x, y = -side * 0.45, eaves + 0.45
    return [
        _part("body", _box(-0.86, eaves, 0.86, 0.78), dome=0.4),
        _part(
            "trim",
            _polygon((-1.04, eaves + 0.06), (-0.3, top), (0.3, top), (1.04, eaves + 0.06)),
            dome=0.6,
        ),
        _part("trim", _box(side * 0.38 - door, 0.12, side * 0.38 + door, 0.78), dome=0.1),
        _part("trim", _box(x - 0.27, y - 0.25, x + 0.27, y + 0.25), dome=0.1),
        _part("glass", _box(x - 0.16, y - 0.14, x + 0.16, y + 0.14), dome=0.2),
    ]


# ------------------------------------------------------------------------------- clutter


def _star(rng: np.random.Generator) -> list[Part]:
    points = 2 * int(rng.integers(4, 7))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = np.where(np.arange(points) % 2, rng.uniform(0.3, 0.55), 1.0)
    corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return [_part("body", _polygon(*corners), dome=0.5)]


def _crescent(rng: np.random.Generator) -> list[Part]:
    reach = rng.uniform(0.25, 0.6)
    outer, inner = _ellipse(0, 0, 1, 1, 20, 340), _ellipse(reach, 0, 0.75, 0.75, 335, 25)
    return [_part("body", np.concatenate([outer, inner]))]


def _shard(rng: np.random.Generator) -> list[Part]:
    angle = np.sort(rng.uniform(0, 2 * np.pi, 5))
    radius = rng.uniform(0.6, 1.0, 5)
    corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return [_part(str(rng.choice(["body", "trim", "glass", "pale"])), _polygon(*corners), dome=0.3)]


def _stick(rng: np.random.Generator) -> list[Part]:
    material = str(rng.choice(["dark", "trim", "body", "pale"]))
    return [_part(material, _stroke(-1.6, 0, 1.6, 0, rng.uniform(0.16, 0.3)))]


def _leaf(rng: np.random.Generator) -> list[Part]:
    x = np.linspace(-1, 1, 30)
    edge = rng.uniform(0.3, 0.5) * (1 - x**2)
    rim = np.concatenate([np.stack([x, edge], 1), np.stack([x[::-1], -edge[::-1]], 1)])
    return [_part("body", rim, dome=0.5), _part("trim", _stroke(-1.2, 0, 0.9, 0, 0.08), dome=0.2)]


def _coil(rng: np.random.Generator) -> list[Part]:
    radius = rng.uniform(0.5, 0.75)
    return [_part("body", _ellipse(0, 0, 1, 1), _ellipse(0, 0, radius, radius))]


@dataclass(frozen=True)
class _Class:
    """What the objects of a class have in common.

    Attributes:
        parts: draws the outlines.
        textures: of the body, the most frequent first; a pair of classes shares them.
        hue: of the body on average, degrees; a hint.
        trim_hue: of the parts that identify the class, degrees.
        max_tilt: from upright, degrees.
    """

    parts: Callable[[np.random.Generator], list[Part]]
    textures: tuple[str, str, str]
    hue: float
    trim_hue: float
    max_tilt: float


_CLASSES = {
    "fish": _Class(_fish, ("scales", "spots", "ribs"), 30, 190, 60),
    "beetle": _Class(_beetle, ("spots", "scales", "ribs"), 348, 60, 180),
    "mug": _Class(_mug, ("bands", "checks", "ribs"), 212, 5, 40),
    "bottle": _Class(_bottle, ("checks", "bands", "ribs"), 165, 310, 40),
    "truck": _Class(_truck, ("panels", "bricks", "bands"), 275, 125, 30),
    "house": _Class(_house, ("bricks", "panels", "bands"), 68, 250, 30),
}
_CLUTTER = {
    "star": _star,
    "crescent": _crescent,
    "shard": _shard,
    "stick": _stick,
    "leaf": _leaf,
    "coil": _coil,
}
CLASS_NAMES = tuple(_CLASSES)
CLUTTER_NAMES = tuple(_CLUTTER)


def class_parts(rng: np.random.Generator, name: str) -> list[Part]:
    """Parts of one object of a class, in painting order, with random proportions."""
    return _CLASSES[name].parts(rng)


def clutter_parts(rng: np.random.Generator, name: str) -> list[Part]:
    """Parts of one piece of clutter (of no class), in painting order."""
    return _CLUTTER[name](rng)


def max_tilt(name: str) -> float:
    """Largest rotation of a class from upright, degrees."""
    return _CLASSES[name].max_tilt


# ------------------------------------------------------------------------------- looks


def draw_look(
    rng: np.random.Generator, name: str, colour: np.ndarray | None = None, clutter: bool = False
) -> Look:
    """Draw colors and texture of an object of a class, or of clutter that resembles this class.

    The body's hue scatters widely around the class's, so that it is a hint and no proof. The trim
    is the proof, and clutter has none of it.

    Args:
        rng: random generator.
        name: class.
        clutter: whether this is a thing of no class.
        color: see :func:`draw_colour`, of a relative to resemble (objects that lie together often
            look alike); drawn, if omitted.
    """
    if colour is None:
        colour = draw_colour(rng, name)
    hue, saturation, value = colour + rng.normal(0, (7, 0.05, 0.05))
    other = hue + rng.choice([-1, 1]) * rng.uniform(20, 70)
    colours = {
        "body": _rgb(hue, saturation, value),
        "second": _rgb(other, saturation * 0.8, value * rng.uniform(0.5, 0.75)),
        "trim": _rgb(*_draw_trim(rng, name)),
        "dark": _rgb(rng.uniform(0, 360), 0.3, rng.uniform(0.1, 0.25)),
        "pale": _rgb(rng.uniform(0, 360), 0.1, rng.uniform(0.8, 0.98)),
        "glass": _rgb(rng.normal(205, 15), 0.35, rng.uniform(0.65, 0.9)),
    }
    if clutter:
        colours["trim"] = colours["second"]
    kind = str(rng.choice(_CLASSES[name].textures, p=(0.6, 0.25, 0.15)))
    return Look(colours, kind, rng.uniform(0.35, 0.9), rng.uniform(2.2, 3.6))


def draw_colour(rng: np.random.Generator, name: str) -> np.ndarray:
    """Draw a muted body color: (3,) hue in degrees, saturation and value in [0, 1]."""
    hue = rng.normal(_CLASSES[name].hue, 15) if rng.random() < 0.9 else rng.uniform(0, 360)
    return np.array([hue, rng.uniform(0.2, 0.55), rng.uniform(0.45, 0.9)])


def _draw_trim(rng: np.random.Generator, name: str) -> tuple[float, float, float]:
    """Hue in degrees, saturation and value of the parts that identify the class."""
    return rng.normal(_CLASSES[name].trim_hue, 8), rng.uniform(0.8, 1.0), rng.uniform(0.75, 1.0)


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    saturation, value = np.clip([saturation, value], 0, 1)
    # The three cosine-like ramps of HSV, offset by a third of the circle each.
    k = (np.array([5.0, 3.0, 1.0]) + hue / 60) % 6
    return (value * (1 - saturation * np.clip(np.minimum(k, 4 - k), 0, 1))).astype(np.float32)


def texture(name: str, x: np.ndarray, y: np.ndarray, frequency: float) -> np.ndarray:
    """Pattern in [0, 1] at object coordinates: how much of the second color shows.

    Args:
        name: "scales", "spots", "ribs", "bands", "checks", "panels" or "bricks".
        x, y: (N,) or (H, W) float32, object coordinates.
        frequency: cycles over the unit length.
    """
    u, v = x * frequency, y * frequency
    shifted = u + 0.5 * (np.floor(v) % 2)
    across, along = shifted % 1 - 0.5, v % 1 - 0.5
    if name == "scales":
        return _step(np.hypot(across, v % 1) - 0.55)
    if name == "spots":
        return _step(0.3 - np.hypot(across, along))
    if name == "ribs":
        return 0.5 + 0.5 * np.sin(2 * np.pi * u)
    if name == "bands":
        return _step(np.sin(np.pi * v) - 0.1)
    if name == "checks":
        return _step(4 * np.sin(np.pi * u) * np.sin(np.pi * v))
    if name == "panels":
        return _step(0.36 - np.abs(u % 1 - 0.5)) * 0.6
    return _step(np.maximum(np.abs(across), np.abs(along)) - 0.4)  # bricks


def _step(x: np.ndarray) -> np.ndarray:
    return np.clip(0.5 + 6 * x, 0, 1)

"""Synthetic images of aeroplanes and birds, used when CIFAR-10 cannot be downloaded.

Each image is drawn on a canvas three times the size of a CIFAR-10 image, scaled down, and then slightly
degraded (contrast, tint, noise) to resemble a photograph. Shapes are lists of (x, y) points in the subject's
coordinate system: the subject faces +x, is about two units long, and y points down.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from handgrad.data.cifar10 import CIFAR10_CLASSES

SIZE = 32
CANVAS = 3 * SIZE
TRAINING_BATCHES = 5

Points = Iterable[Sequence[float]]
Colour = tuple[int, int, int]
Random = np.random.Generator


def palette(colours: str) -> list[Colour]:
    return [ImageColor.getrgb(colour)[:3] for colour in colours.split()]


def gradients(colours: str) -> list[tuple[Colour, Colour]]:
    """Pairs of colours, each the top and bottom of a gradient."""
    return list(zip(palette(colours)[::2], palette(colours)[1::2], strict=True))


# Open skies go with airfields, low skies with meadows and water: aeroplanes appear mostly in the former,
# birds in the latter or among foliage.
OPEN_SKIES = gradients("#2d69be #a0c8eb #5a96d7 #cde1f0 #143c82 #5f96d2 #e1e6eb #f5f5f5")
LOW_SKIES = gradients("#82afcd #d7dccd #69737e #aaafb4 #5a508c #faa55f #d26e50 #ffd78c")
FOLIAGE = gradients("#2d5523 #6e8c46 #505f3c #969664 #5f4b32 #96825f")
AIRFIELDS = palette("#78787a #969698 #a09173 #6e825a")
MEADOWS = palette("#466e3c #7d7d50 #2d5a7d #507d8c")
AEROPLANE_PAINTS = palette("#f0f0f2 #fafafa #e1e4eb #bec3cd #5f6973 #c82d28 #ebbe32 #2d4b8c")
PLUMAGES = palette("#785537 #3c322d #2d2d32 #ebebe6 #82878c #be3c2d #e1b43c #3c64a5 #eb9696 #a5825a")
DARK, BEAK = palette("#23232d #eba032")


class Brush:
    """Draws shapes given in the subject's coordinates, rotated, mirrored and scaled to its pose."""

    def __init__(self, canvas: Image.Image, random: Random, tilt: float, size: tuple[float, float]) -> None:
        """`tilt` is in radians; `size` is the range of half the subject's length, in canvas units."""
        self.draw = ImageDraw.Draw(canvas)
        self.scale = CANVAS * random.uniform(*size)
        stretch = np.diag([random.choice([-1, 1]), random.uniform(0.8, 1.1)])
        shear = np.array([[1, random.normal(0, 0.12)], [0, 1]])
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        # Row vectors: shape first, then tilt (nose up or down), then mirror.
        self.pose = self.scale * (shear @ turn @ stretch).T
        self.centre = CANVAS * random.uniform(0.43, 0.57, size=2)

    def place(self, points: Points) -> list[float]:
        return (np.asarray(points) @ self.pose + self.centre).ravel().tolist()

    def polygon(self, points: Points, colour: Colour) -> None:
        self.draw.polygon(self.place(points), fill=colour)

    def smooth(self, points: Points, colour: Colour) -> None:
        """A polygon with rounded corners (Chaikin's corner cutting, twice)."""
        corners = np.asarray(points)
        for _ in range(2):
            following = np.roll(corners, -1, axis=0)
            pairs = [0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following]
            corners = np.stack(pairs, axis=1).reshape(-1, 2)
        self.polygon(corners, colour)

    def ellipse(self, x: float, y: float, half_width: float, half_height: float, colour: Colour) -> None:
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        outline = np.stack([x + half_width * np.cos(angles), y + half_height * np.sin(angles)], axis=1)
        self.polygon(outline, colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        self.draw.line(self.place(points), fill=colour, width=max(1, round(width * self.scale)))


def pick(random: Random, options: Sequence[Any]) -> Any:
    return options[int(random.integers(len(options)))]


def shade(colour: Sequence[int], factor: float) -> Colour:
    red, green, blue = (min(255, int(channel * factor)) for channel in colour)
    return red, green, blue


def smooth_field(random: Random, cells: int) -> Image.Image:
    """A cloud-like greyscale image: random values on a coarse grid, interpolated."""
    coarse = np.clip(random.normal(90, 90, size=(cells, cells)), 0, 235).astype(np.uint8)
    return Image.fromarray(coarse).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)


def paint_background(random: Random, wild: float, aloft: float) -> Image.Image:
    """Out-of-focus foliage with probability `wild`, else a cloudy sky, open with probability `aloft`."""
    foliage = random.random() < wild
    skies, grounds = (OPEN_SKIES, AIRFIELDS) if random.random() < aloft else (LOW_SKIES, MEADOWS)
    top, bottom = pick(random, FOLIAGE if foliage else skies)
    height = np.linspace(0, 1, 8)[:, None, None]
    gradient = top * (1 - height) + bottom * height + random.normal(0, 18 if foliage else 4, size=(8, 8, 3))
    canvas = Image.fromarray(np.clip(gradient, 0, 255).astype(np.uint8))
    canvas = canvas.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    if foliage or random.random() < 0.6:
        haze = shade(bottom, 0.6) if foliage else shade((250, 250, 252), random.uniform(0.8, 1))
        canvas.paste(haze, (0, 0, CANVAS, CANVAS), smooth_field(random, int(random.integers(4, 9))))
    draw = ImageDraw.Draw(canvas)
    if not foliage and random.random() < 0.12:
        x, y, radius = random.uniform((0, 0, 5), (CANVAS, CANVAS, 12))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 240, 190))
    if random.random() < 0.45:
        paint_ground(random, draw, pick(random, grounds))
    return canvas


def paint_ground(random: Random, draw: ImageDraw.ImageDraw, colour: Colour) -> None:
    """Hills, treetops and streaks (waves, runway, grass) along the lower edge."""
    horizon = CANVAS * random.uniform(0.65, 0.95)
    colour = shade(colour, random.uniform(0.7, 1.2))
    if random.random() < 0.5:
        ridge = horizon - random.uniform(0, CANVAS * 0.2, size=7)
        outline = [*zip(np.linspace(0, CANVAS, 7).tolist(), ridge.tolist(), strict=True)]
        draw.polygon([*outline, (CANVAS, CANVAS), (0, CANVAS)], fill=shade(colour, 0.75))
    draw.rectangle((0, horizon, CANVAS, CANVAS), fill=colour)
    for _ in range(random.integers(2, 9)):
        x, y = random.uniform(0, CANVAS), random.uniform(horizon, CANVAS)
        streak = shade(colour, random.uniform(0.75, 1.35))
        draw.line((x, y, x + random.uniform(5, 40), y), fill=streak, width=2)


def paint_aeroplane(random: Random) -> Image.Image:
    canvas = paint_background(random, wild=0.02, aloft=0.9)
    views = (aeroplane_from_side, aeroplane_from_side, aeroplane_from_above, aeroplane_from_front)
    paint = shade(pick(random, AEROPLANE_PAINTS), random.uniform(0.7, 1.1))
    pick(random, views)(random, canvas, paint, shade(pick(random, AEROPLANE_PAINTS), 0.85))
    return canvas


def aeroplane_from_side(random: Random, canvas: Image.Image, paint: Colour, trim: Colour) -> None:
    brush = Brush(canvas, random, random.normal(0, 0.3), (0.27, 0.47))
    jet = random.random() < 0.6
    belly = random.uniform(0.11, 0.15) if jet else random.uniform(0.15, 0.19)
    span, sweep = random.uniform(0.3, 0.6), random.uniform(0.2, 0.5) if jet else 0.05
    far_wing = [(0.25, 0), (-0.05, 0), (-0.1 - sweep / 2, -span * 0.7), (0.05 - sweep / 2, -span * 0.7)]
    brush.polygon(far_wing, shade(paint, 0.65))
    if random.random() < 0.4:
        for x in (0.7, -0.05):
            brush.line([(x, 0), (x, belly + 0.14)], DARK, 0.03)
            brush.ellipse(x, belly + 0.16, 0.06, 0.06, DARK)
    brush.polygon([(-0.6, -0.05), (-0.8, -0.5), (-1.0, -0.5), (-0.95, -0.02)], trim)
    hull = [(-1.05, -0.07), (-0.4, -belly), (0.7, -belly), (1.05, 0.03), (0.8, belly), (-0.2, belly)]
    brush.smooth(hull, paint)
    brush.smooth([(-0.9, 0.01), (0.95, 0.05), (0.75, belly), (-0.2, belly)], shade(paint, 0.75))
    brush.polygon([(-0.7, -0.02), (-0.9, -0.02), (-1.1, 0.12), (-0.98, 0.12)], shade(paint, 0.7))
    if jet:
        brush.line([(-0.6, -0.03), (0.65, -0.03)], trim, 0.05)
        brush.ellipse(0.1 - sweep / 3, belly + 0.08, 0.15, 0.07, shade(paint, 0.55))
        brush.polygon([(0.72, -0.1), (0.88, -0.05), (0.72, -0.03)], DARK)
    else:
        brush.smooth([(0.15, -belly), (0.25, -belly - 0.16), (0.5, -belly - 0.12), (0.6, -belly)], DARK)
        brush.line([(1.0, -0.28), (1.0, 0.32)], (215, 215, 215), 0.05)
        brush.ellipse(0.98, 0.02, 0.07, 0.07, trim)
    near_wing = [(0.3, 0.05), (-0.15, 0.05), (-0.25 - sweep, span), (-0.02 - sweep, span)]
    brush.polygon(near_wing, shade(paint, 0.88))


def aeroplane_from_above(random: Random, canvas: Image.Image, paint: Colour, trim: Colour) -> None:
    brush = Brush(canvas, random, random.uniform(-np.pi, np.pi), (0.27, 0.45))
    sweep, span, tip = random.uniform(0.0, 0.6), random.uniform(0.75, 1.0), random.uniform(0.12, 0.25)
    fighter = random.random() < 0.25
    if random.random() < 0.2:
        for y in (-0.25, 0.25):
            brush.line([(-0.2, y), (-3, y)], (235, 238, 242), 0.08)
    for side, light in ((-1, 0.8), (1, 0.95)):
        wing = [(0.3, 0), (0.2 - sweep, side * span), (0.2 - sweep - tip, side * span), (-0.2, 0)]
        delta = [(0.5, 0), (-0.6, side * 0.7), (-0.75, side * 0.7), (-0.7, 0)]
        brush.polygon(delta if fighter else wing, shade(paint, light))
        if fighter:
            continue
        tail = [(-0.7, 0), (-0.85 - sweep / 4, side * 0.36), (-1.0 - sweep / 4, side * 0.36), (-0.95, 0)]
        brush.polygon(tail, shade(trim, light))
        brush.ellipse(0.22 - sweep * 0.4, side * span * 0.42, 0.13, 0.06, shade(paint, 0.55))
    brush.smooth([(-1.1, 0), (-0.5, -0.11), (0.75, -0.13), (1.15, 0), (0.75, 0.13), (-0.5, 0.11)], paint)
    brush.line([(-1.0, 0), (-0.65, 0)], trim, 0.06)
    brush.ellipse(0.75, 0, 0.09, 0.06, DARK)


def aeroplane_from_front(random: Random, canvas: Image.Image, paint: Colour, trim: Colour) -> None:
    brush = Brush(canvas, random, random.normal(0, 0.25), (0.3, 0.47))
    rise, biplane = random.uniform(-0.05, 0.2), random.random() < 0.4
    brush.polygon([(-0.03, 0), (0.03, 0), (0.03, -0.55), (-0.03, -0.55)], trim)
    brush.line([(-0.35, -0.18), (0.35, -0.18)], shade(trim, 0.8), 0.05)
    for side in (-1, 1):
        wing = [(0, 0.02), (side, -rise - 0.02), (side, 0.03 - rise), (0, 0.15)]
        brush.polygon(wing, shade(paint, 0.85))
        brush.line([(side * 0.1, 0.1), (side * 0.22, 0.36)], DARK, 0.04)
        brush.ellipse(side * 0.22, 0.37, 0.05, 0.08, DARK)
        if biplane:
            brush.line([(0, -0.32), (side, -0.32 - rise)], paint, 0.1)
            brush.line([(side * 0.65, 0), (side * 0.65, -0.35 - rise * 0.6)], DARK, 0.03)
        else:
            brush.ellipse(side * 0.42, 0.12 - rise * 0.4, 0.09, 0.09, DARK)
    brush.ellipse(0, 0.03, 0.2, 0.2, paint)
    brush.polygon([(-0.12, -0.04), (-0.08, -0.12), (0.08, -0.12), (0.12, -0.04)], DARK)
    if biplane:
        angle = random.uniform(0, np.pi)
        x, y = 0.36 * np.cos(angle), 0.36 * np.sin(angle)
        brush.line([(-x, 0.05 - y), (x, 0.05 + y)], (90, 60, 40), 0.06)
        brush.ellipse(0, 0.05, 0.07, 0.07, trim)


def paint_bird(random: Random) -> Image.Image:
    perched = random.random() < 0.6
    canvas = paint_background(random, wild=0.9 if perched else 0.35, aloft=0.12)
    plumage = shade(pick(random, PLUMAGES), random.uniform(0.7, 1.1))
    view = bird_perched if perched else pick(random, (bird_flapping, bird_soaring))
    view(random, canvas, plumage, pick(random, PLUMAGES))
    return canvas


def paint_head(brush: Brush, x: float, y: float, radius: float, colour: Colour) -> None:
    brush.polygon([(x, y - 0.08), (x + radius + 0.2, y + 0.04), (x, y + 0.1)], BEAK)
    brush.ellipse(x, y, radius, radius, colour)
    brush.ellipse(x + radius * 0.45, y - radius * 0.2, 0.045, 0.045, (15, 15, 15))


def bird_perched(random: Random, canvas: Image.Image, plumage: Colour, breast: Colour) -> None:
    """A bird on a branch, on long legs, or swimming."""
    brush = Brush(canvas, random, random.normal(0, 0.15), (0.24, 0.42))
    neck, plump = random.choice([0.0, 0.0, 0.35]), random.uniform(0.3, 0.45)
    place = pick(random, ("branch", "branch", "ground", "water"))
    foot = plump + (0.6 if neck else 0.2)
    if place == "branch":
        ends = [(-3, foot + random.normal(0, 0.5)), (0, foot), (3, foot + random.normal(0, 0.5))]
        brush.line(ends, shade((110, 80, 55), random.uniform(0.6, 1.2)), random.uniform(0.1, 0.22))
    if place != "water":
        for x in (-0.08, 0.1):
            brush.line([(x - 0.05, plump * 0.7), (x, foot)], (200, 130, 60), 0.05)
    brush.polygon([(-0.5, -0.05), (-1.15, 0.2), (-1.05, 0.38), (-0.4, 0.25)], shade(plumage, 0.65))
    body = [(-0.8, 0.2), (-0.2, -plump), (0.5, -plump), (0.65, 0.0), (0.3, plump * 1.1), (-0.3, plump)]
    brush.smooth(body, plumage)
    brush.smooth([(0.55, -0.2), (0.6, 0.1), (0.2, plump), (-0.2, plump * 0.8), (0.25, 0.1)], breast)
    brush.line([(0.4, -0.15), (0.5, -0.4 - neck)], plumage, 0.22)
    wing = [(0.25, -0.2), (-0.25, -0.22), (-0.95, 0.2), (-0.2, 0.25)]
    brush.smooth(wing, shade(plumage, 0.7))
    paint_head(brush, 0.5, -0.4 - neck, 0.16 if neck else 0.25, plumage)
    if place == "water":
        water = shade((70, 120, 150), random.uniform(0.6, 1.3))
        surface = brush.centre[1] + plump * 0.7 * brush.scale
        brush.draw.rectangle((0, surface, CANVAS, CANVAS), fill=water)
        brush.line([(-0.9, plump + 0.1), (0.7, plump + 0.1)], shade(water, 1.25), 0.06)


def bird_flapping(random: Random, canvas: Image.Image, plumage: Colour, breast: Colour) -> None:
    """A bird in flight seen from the side, with its wings raised or lowered."""
    brush = Brush(canvas, random, random.normal(0, 0.35), (0.24, 0.42))
    beat, reach = random.choice([-1, 1]) * random.uniform(0.4, 1), random.uniform(0.7, 1.1)
    far_wing = [(0.35, -0.1), (0.35, beat * 0.6), (0.1, beat * reach), (-0.1, beat * 0.6), (-0.1, -0.05)]
    brush.smooth(far_wing, shade(plumage, 0.6))
    brush.polygon([(-0.5, -0.05), (-1.1, -0.15), (-1.05, 0.15), (-0.5, 0.1)], shade(plumage, 0.75))
    brush.smooth([(-0.75, 0), (0, -0.2), (0.55, -0.22), (0.75, 0), (0.3, 0.24), (-0.3, 0.17)], plumage)
    brush.smooth([(0.65, 0.02), (0.3, 0.24), (-0.3, 0.17), (0, 0.06)], breast)
    paint_head(brush, 0.68, -0.1, 0.17, plumage)
    near_wing = [(0.3, 0), (0.05, beat * 0.7), (-0.4, beat * reach * 1.1), (-0.5, beat * 0.75), (-0.3, 0.02)]
    brush.smooth(near_wing, shade(plumage, 0.85))
    brush.line([(-0.4, beat * reach * 0.9), (-0.25, beat * 0.2)], shade(plumage, 0.5), 0.07)


def bird_soaring(random: Random, canvas: Image.Image, plumage: Colour, breast: Colour) -> None:
    """A bird seen from below or above with both wings spread and fingered wing tips."""
    brush = Brush(canvas, random, random.uniform(-np.pi, np.pi), (0.22, 0.38))
    bend, span = random.uniform(-0.1, 0.35), random.uniform(0.9, 1.35)
    for side, light in ((-1, 0.8), (1, 0.95)):
        wing = [(0.3, 0), (0.3 + bend, side * span * 0.5), (0.15 - bend, side * span)]
        edge = [(-0.12 - bend, side * span), (-0.15 + bend / 2, side * span * 0.5), (-0.25, 0)]
        brush.smooth([*wing, *edge], shade(plumage, light))
        for finger in (-0.18, -0.02, 0.14):
            tip = (finger - bend - 0.05, side * span * 1.08)
            brush.line([(finger * 0.6 - bend / 2, side * span * 0.8), tip], shade(plumage, 0.55), 0.08)
    brush.polygon([(-0.3, 0), (-0.85, -0.26), (-0.95, 0), (-0.85, 0.26)], shade(plumage, 0.7))
    brush.smooth([(-0.6, 0), (0, -0.2), (0.5, -0.15), (0.65, 0), (0.5, 0.15), (0, 0.2)], plumage)
    brush.ellipse(0.1, 0, 0.25, 0.09, breast)
    brush.polygon([(0.6, -0.07), (0.85, 0), (0.6, 0.07)], BEAK)
    brush.ellipse(0.52, 0, 0.13, 0.12, shade(plumage, 1.15))


PAINTERS: dict[str, Callable[[Random], Image.Image]] = {"airplane": paint_aeroplane, "bird": paint_bird}


def draw_images(count: int, kind: str, seed: int | Sequence[int]) -> NDArray[np.uint8]:
    """Draw `count` images of one kind ("airplane" or "bird"): uint8 [count, 3, 32, 32].

    The same seed gives the same images. Raises ValueError for an unknown kind.
    """
    if kind not in PAINTERS:
        raise ValueError(f"kind must be one of {', '.join(PAINTERS)}, not {kind!r}")
    random = np.random.default_rng(seed)
    images = np.empty((count, SIZE, SIZE, 3), dtype=np.uint8)
    for image in images:
        picture = PAINTERS[kind](random).resize((SIZE, SIZE), Image.Resampling.BOX)
        if random.random() < 0.3:
            picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.9)))
        image[:] = spoil(random, np.asarray(picture))
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def spoil(random: Random, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change the contrast, shift the brightness and tint, and add grain."""
    tint = random.normal(0, 4, size=3) + random.normal(0, 10)
    grain = random.uniform(1, 7) * random.standard_normal(picture.shape, dtype=np.float32)
    values = 128 + random.uniform(0.6, 1.15) * (picture - 128.0) + tint + grain
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def draw_batches(
    seed: int, train_per_class: int = 5000, test_per_class: int = 1000
) -> dict[str, dict[str, Any]]:
    """Draw a complete data set: a dict from member name to content, as in the Python version of CIFAR-10.

    The layout (https://www.cs.toronto.edu/~kriz/cifar.html): data_batch_1 to data_batch_5, test_batch and
    batches.meta; "data" is uint8 [images, 3072], each row the red, then the green, then the blue channel.
    Only the classes airplane (0) and bird (2) have images.
    """
    images, labels = shuffled_images(train_per_class, (seed, 0))
    parts = np.array_split(np.arange(len(labels)), TRAINING_BATCHES)
    members = {
        f"data_batch_{number}": batch(
            f"training batch {number} of {TRAINING_BATCHES}", images[part], labels[part], f"train_{number}"
        )
        for number, part in enumerate(parts, start=1)
    }
    members["test_batch"] = batch(
        "testing batch 1 of 1", *shuffled_images(test_per_class, (seed, 1)), prefix="test"
    )
    members["batches.meta"] = {
        "num_cases_per_batch": len(parts[0]),
        "label_names": list(CIFAR10_CLASSES),
        "num_vis": 3 * SIZE * SIZE,
    }
    return members


def shuffled_images(per_class: int, seed: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    classes = [CIFAR10_CLASSES.index(kind) for kind in PAINTERS]
    drawn = [draw_images(per_class, CIFAR10_CLASSES[label], (*seed, label)) for label in classes]
    order = np.random.default_rng(seed).permutation(len(classes) * per_class)
    return np.concatenate(drawn)[order], np.repeat(classes, per_class)[order]


def batch(label: str, images: NDArray[np.uint8], labels: NDArray[np.int64], prefix: str) -> dict[str, Any]:
    return {
        "batch_label": label,
        "labels": labels.tolist(),
        "data": images.reshape(len(images), -1),
        "filenames": [f"{CIFAR10_CLASSES[c]}_{prefix}_{i:04d}.png" for i, c in enumerate(labels)],
    }

"""Image files of the folder contract: photographs, semantic maps, ground-truth masks.

A path gives uint8 arrays, (y, x).
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from bestie.formats.base import DataError, atomic_write

__all__ = [
    "DECODING_ERRORS",
    "IMAGE_SUFFIXES",
    "PHOTO_SUFFIXES",
    "is_photo",
    "list_photos",
    "read_image",
    "read_image_size",
    "read_instances",
    "read_semantic_map",
    "upright_photo",
    "voc_palette",
    "walk_folders",
    "write_semantic_map",
]

# What a photograph may be, wherever one is read; .jpg and .png first, as most are.
PHOTO_SUFFIXES = (".jpg", ".png", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".gif")
IMAGE_SUFFIXES = (*PHOTO_SUFFIXES, *(suffix.upper() for suffix in PHOTO_SUFFIXES))
# Formats of several pictures in one file; the others of a JPEG (MPO) are previews and depths.
_STACKS = ("TIFF", "GIF", "WEBP", "PNG")
_TIFF_BITS, _TIFF_SUBFILE = 258, 254
# Pillow modes with 8 bits per channel: what can become RGB without losing values.
_IMAGE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# What Pillow raises at damaged files.
DECODING_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)
_EXIF_ORIENTATION = 0x0112
_PNG_EXIF_KEYS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp")


def read_image(path: str | os.PathLike, format: str = "RGB") -> np.ndarray:
    """Decode a photograph, upright (the EXIF orientation is applied, as Detectron2 does).

    Args:
        path: image file with 8 bits per channel; grey, palette and transparent images become RGB.
        format: channel order, "RGB" or "BGR".

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: missing, unreadable or truncated file, more than 8 bits per channel, or several
            pictures in one file.
    """
    with _open_image(path) as image:
        pixels = np.array(upright_photo(image, path))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if format == "BGR" else pixels


def upright_photo(image: Image.Image, path: str | os.PathLike) -> Image.Image:
    """A photograph as RGB and upright (the EXIF orientation is applied).

    Args:
        image: opened by Pillow, or made in memory.
        path: its file, or what messages call it.

    Raises:
        DataError: more than 8 bits per channel, or several pictures.
    """
    _require_photo(image, path)
    return ImageOps.exif_transpose(image).convert("RGB")


def read_image_size(path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of :func:`read_image`'s result from the file's header alone.

    Raises:
        DataError: missing file, or not an image that :func:`read_image` accepts.
    """
    with _open_image(path) as image:
        _require_photo(image, path)
        width, height = image.size
        # Pillow decodes a whole PNG to look for EXIF data; those that have any say so in front.
        has_exif = image.format != "PNG" or any(key in image.info for key in _PNG_EXIF_KEYS)
        turned = has_exif and image.getexif().get(_EXIF_ORIENTATION, 1) >= 5
    return (width, height) if turned else (height, width)


def list_photos(folder: str | os.PathLike) -> list[Path]:
    """Image files of a folder and all folders in it, sorted.

    Names that begin with "._" (notes of macOS) are skipped.
    """
    return sorted(
        Path(place, name)
        for place, _, names in walk_folders(folder)
        for name in names
        if is_photo(name)
    )


def walk_folders(folder: str | os.PathLike) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk``, following links to folders that do not lead back; no hidden folders."""
    for place, folders, names in os.walk(os.fspath(folder), followlinks=True):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not _leads_up(os.path.join(place, name))
        ]
        yield place, folders, names


def is_photo(name: str) -> bool:
    """Whether a file name is that of a photograph."""
    return not name.startswith("._") and os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES


def _leads_up(link: str) -> bool:
    """Whether a link to a folder leads to a folder that it lies in: following it never ends."""
    if not os.path.islink(link):
        return False
    target, place = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.commonpath([target, place]) == target


def read_semantic_map(path: str | os.PathLike) -> np.ndarray:
    """Read a semantic map: 0 background, class id + 1, 255 ignore; (H, W) uint8.

    Raises:
        DataError: missing or unreadable file, or not an 8-bit palette or grey PNG.
    """
    return _read_index_image(path)


def write_semantic_map(path: str | os.PathLike, semantic_map: np.ndarray) -> None:
    """Write a (H, W) uint8 map as a palette PNG in VOC's colours, atomically."""
    assert semantic_map.dtype == np.uint8 and semantic_map.ndim == 2
    image = Image.fromarray(semantic_map, mode="L")
    image.putpalette(voc_palette().tobytes())
    with atomic_write(path, "wb") as file:
        image.save(file, format="PNG")


def read_instances(
    object_png: str | os.PathLike, class_png: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read ground truth in VOC's format: pixels 255 belong to no instance and are ignored.

    Returns:
        instance_map (ndarray): (H, W) uint16, 0 none, i + 1 = instance i.
        ignore (ndarray): (H, W) bool, pixels 255 of either file.
        classes (ndarray): (N,) int64, class of instance i.

    Raises:
        DataError: unreadable files, different sizes, an instance without a class or with several.
    """
    objects, class_map = _read_index_image(object_png), _read_index_image(class_png)
    if objects.shape != class_map.shape:
        raise DataError(
            f"is {_size(objects)}, {os.fspath(class_png)} is {_size(class_map)} (height x width)",
            object_png,
        )
    ignore = (objects == 255) | (class_map == 255)
    pairs = np.unique(objects.astype(np.uint16)[~ignore] * np.uint16(256) + class_map[~ignore])
    pairs = pairs[pairs >= 256]
    values, classes = pairs >> 8, (pairs & 255).astype(np.int64)
    if len(np.unique(values)) != len(values) or (classes == 0).any():
        wrong = [int(v) for v in np.unique(values) if set(classes[values == v]) == {0}] or [
            int(v) for v in np.unique(values) if (values == v).sum() > 1
        ]
        raise DataError(
            f"instances {wrong} do not lie on one class of {os.fspath(class_png)}", object_png
        )
    number = np.zeros(256, dtype=np.uint16)
    number[values] = np.arange(1, len(values) + 1)
    return np.where(ignore, np.uint16(0), number[objects]), ignore, classes - 1


def voc_palette() -> np.ndarray:
    """PASCAL VOC's colors, (256, 3) uint8 RGB: bits of the index spread over channels, reversed."""
    index = np.arange(256, dtype=np.uint8)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index >>= 3
    return palette


def _read_index_image(path: str | os.PathLike) -> np.ndarray:
    with _open_image(path) as image:
        _require_mode(image, path, ("P", "L"), "an 8-bit palette or grey image")
        if image.format != "PNG":
            message = f"is a {image.format} file; a PNG is expected (others change the values)"
            raise DataError(message, path)
        return np.array(image)


@contextlib.contextmanager
def _open_image(path: str | os.PathLike) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise DataError("file does not exist", path) from None
    except UnidentifiedImageError:
        if os.path.getsize(path) == 0:
            raise DataError("is empty (0 bytes); an image is expected", path) from None
        raise DataError("is not an image, or of a format that Pillow does not know", path) from None
    except DataError:
        raise
    except DECODING_ERRORS as error:
        raise DataError(f"cannot be decoded ({error})", path) from error


def _require_photo(image: Image.Image, path: str | os.PathLike) -> None:
    """One picture with 8 bits per channel; Pillow cuts 16 bits to 8 and takes the first page."""
    _require_mode(image, path, _IMAGE_MODES, "8 bits per channel")
    bits = 8
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = max(np.atleast_1d(image.tag_v2.get(_TIFF_BITS, 8)))
    elif (
        isinstance(image, ImageFile.ImageFile)
        and image.format == "PNG"
        and image.tile
        and ";16" in str(image.tile[0].args)
    ):
        bits = 16
    if bits > 8:
        message = f"has {bits} bits per channel; save it with 8 bits per channel"
        raise DataError(message, path)
    pages = _count_pages(image) if image.format in _STACKS else 1
    if pages > 1:
        message = (
            f"holds {pages} pictures (pages or frames); save the one that is meant as an image"
        )
        raise DataError(message, path)


def _count_pages(image: Image.Image) -> int:
    """Pictures in a file; smaller copies of a page of a TIFF do not count."""
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and isinstance(image, TiffImagePlugin.TiffImageFile):
        count = 0
        for page in range(pages):
            image.seek(page)
            count += not image.tag_v2.get(_TIFF_SUBFILE, 0) & 1
        pages = count
        image.seek(0)
    return pages


def _require_mode(image: Image.Image, path: str | os.PathLike, modes: tuple, accepted: str) -> None:
    if image.mode not in modes:
        raise DataError(f"has the pixel format {image.mode}; {accepted} is expected", path)


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"

"""ImageJ's ROIs: RoiSet.zip or single .roi files, called like the image ("a.zip", "a_RoiSet.zip").

Each point of a point or multi-point ROI is a click; polygons, freehand and traced outlines, ovals,
ellipses and composite ROIs are masks; rectangles are boxes. ImageJ's integer coordinates of
outlines are corners of pixels, those of points are pixels, and with sub-pixel resolution both are
measured from the top left corner of the image: nothing is shifted.

ROIs have no classes. The class is ``ReadOptions.class_name``, or the name of the ROI without the
number that ImageJ appends to a repeated one ("cell", "cell-1"); the names that ImageJ makes itself
("0012-0034") are none. Files are read by the library roifile.
"""

import re
import zipfile
from pathlib import Path
from typing import Any

from bestie.formats.labels.base import Labels, ReadOptions, list_files, missing_library
from bestie.formats.labels.objects import Place, add_object
from bestie.formats.labels.shapes import Outline, Shape, ellipse_ring, parse_ring

__all__ = ["read_imagej"]

SUFFIXES = (".zip", ".roi")
OWN_NAME = re.compile(r"\d+(-\d+)*|")
NUMBERED = re.compile(r"(.+?)-\d+")
MAX_BYTES = 1 << 24  # of one ROI: larger ones are damaged


def read_imagej(path: Path, labels: Labels, options: ReadOptions) -> None:
    """Read a RoiSet.zip, a .roi, or all of a folder; see the module."""
    try:
        import roifile
    except ImportError as error:
        labels.report(missing_library("ROIs of ImageJ", "imagej", error), path)
        return
    files = list_files(path, SUFFIXES) if path.is_dir() else [path]
    for file in files:
        stem = re.sub(r"^RoiSet[ _-]+|[ _-]*RoiSet$", "", file.stem, flags=re.IGNORECASE)
        place = Place(stem, file)
        if not stem:
            message = "does not name its image; call it like the image (a.zip, a_RoiSet.zip)"
            labels.report(message, file)
            continue
        labels.add(stem, (), None, file)
        rois: dict[str, Any] = {}
        for name, content in _contents(file, labels).items():
            try:
                rois[name] = roifile.ImagejRoi.frombytes(content)
            except Exception as error:  # whatever a damaged file makes the library do
                message = f"is not a ROI of ImageJ ({type(error).__name__}: {error})"
                place.at(f"'{name}'").report(message, labels)
        _read_rois(rois, place, roifile.ROI_TYPE, labels, options)


def _contents(file: Path, labels: Labels) -> dict[str, bytes]:
    """Name of each ROI -> bytes."""
    try:
        if file.suffix.lower() == ".roi":
            return {file.stem: file.read_bytes()}
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".roi")]
            if not entries:
                labels.report("holds no .roi file; a RoiSet.zip of ImageJ is expected", file)
            large = [entry.filename for entry in entries if entry.file_size > MAX_BYTES]
            if large:
                raise ValueError(f"{large[0]} is too large for a ROI")
            if len({entry.filename for entry in entries}) < len(entries):
                raise ValueError("two entries have one name")
            return {entry.filename[: -len(".roi")]: archive.read(entry) for entry in entries}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        labels.report(f"cannot be read ({error})", file)
    except Exception as error:  # zlib.error and others of damaged archives
        labels.report(f"cannot be read ({type(error).__name__}: {error})", file)
    return {}


def _read_rois(
    rois: dict[str, Any], place: Place, kinds: Any, labels: Labels, options: ReadOptions
) -> None:
    names = {key: (roi.name or key).strip() for key, roi in rois.items()}
    for key, roi in rois.items():
        here = place.at(f"ROI '{names[key]}'")
        name = options.class_name or _class_of(names[key], set(names.values()))
        if isinstance(name, ValueError):
            here.report(str(name), labels)
            continue
        if max(roi.position, roi.z_position, roi.t_position) > 1:
            here.report("lies on another slice of a stack than the first", labels)
            continue
        if roi.roitype == kinds.POINT:
            _read_points(roi, name, here, labels, options)
        elif roi.roitype == kinds.RECT and roi.multi_coordinates is None:
            add_object(labels, options, here, name, box=_bounds(roi))
        else:
            mask = _mask(roi, kinds)
            if isinstance(mask, str):
                here.report(mask, labels)
            else:
                add_object(labels, options, here, name, mask=mask)


def _class_of(name: str, all_names: set[str]) -> str | None | ValueError:
    """The class that a ROI's name states; None: ImageJ made the name."""
    if OWN_NAME.fullmatch(name):
        return None
    numbered = NUMBERED.fullmatch(name)
    if numbered is None:
        return name
    if numbered[1] in all_names:
        return numbered[1]
    same = [other for other in all_names if other.startswith(f"{numbered[1]}-")]
    if len(same) > 1:
        shown = ", ".join(sorted(same)[:3])
        message = f"could be of the class '{numbered[1]}', as {shown}, or each its own"
        return ValueError(f"{message}; --class NAME gives all one class, or rename them")
    return name


def _read_points(
    roi: Any, name: str | None, place: Place, labels: Labels, options: ReadOptions
) -> None:
    if roi.counters is not None and len(set(roi.counters.tolist())) > 1:
        found = sorted(set(roi.counters.tolist()))[:5]
        place.report(f"has points of several counters ({found}); save a ROI per class", labels)
        return
    points = roi.coordinates().tolist()
    if not points:
        place.report("has no points", labels)
    for x, y in points:
        add_object(labels, options, place, name, point=(float(x), float(y)))


def _bounds(roi: Any) -> tuple[float, float, float, float]:
    """left, top, right, bottom; the last two exclusive."""
    if roi.subpixelrect:
        return roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd
    return float(roi.left), float(roi.top), float(roi.right), float(roi.bottom)


def _mask(roi: Any, kinds: Any) -> Shape | str:
    if roi.multi_coordinates is not None:
        try:
            paths = roi.path2coords(roi.multi_coordinates)
        except (NotImplementedError, RuntimeError, IndexError, ValueError) as error:
            return f"is a composite of curves ({error}); straight outlines are read"
        rings = [parse_ring(path.tolist()) for path in paths]
        found = tuple(ring for ring in rings if ring is not None)
        return Outline((found,)) if found and len(found) == len(rings) else "has no outline"
    if roi.roitype == kinds.OVAL:
        left, top, right, bottom = _bounds(roi)
        rx, ry = (right - left) / 2, (bottom - top) / 2
        if min(rx, ry) <= 0:
            return "is an oval without a size"
        return Outline.of_rings([ellipse_ring((left + right) / 2, (top + bottom) / 2, rx, ry)])
    if roi.roitype in (kinds.POLYGON, kinds.FREEHAND, kinds.TRACED):
        ring = parse_ring(roi.coordinates().tolist())
        return "has fewer than 3 points" if ring is None else Outline.of_rings([ring])
    return f"is a {roi.roitype.name}; points, outlines, ovals and rectangles are read"

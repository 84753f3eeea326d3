"""Which images and label files a contact sheet shows: from the arguments of a command."""

from collections import Counter
from pathlib import Path

from bestie.visualization.contact_sheet import choose_evenly

__all__ = ["choose_images", "name_label_files"]


def choose_images(records: list[dict], ids: list[str] | None, number: int) -> list[dict]:
    """The dataset dicts of ``ids`` (names or image ids), or ``number`` spread over the split."""
    if ids is None:
        if number < 1:
            raise ValueError(f"--number must be 1 or more, got {number}.")
        return choose_evenly(records, number)
    known = {str(record["image_id"]): record for record in records}
    stems = Counter(Path(record["file_name"]).stem for record in records)
    for record in records:
        stem = Path(record["file_name"]).stem
        names = {str(record.get("image_name", stem))} | ({stem} if stems[stem] == 1 else set())
        known.update(dict.fromkeys(names, record))
    unclear = [image_id for image_id in ids if image_id not in known and stems[image_id] > 1]
    if unclear:
        raise ValueError(
            f"--ids: {unclear[0]} stands for {stems[unclear[0]]} images; use their ids"
        )
    unknown = [image_id for image_id in ids if image_id not in known]
    if unknown:
        examples = ", ".join(Path(record["file_name"]).stem for record in records[:5])
        raise ValueError(
            f"--ids: {', '.join(unknown)} not among the {len(records)} images of this data set "
            f"({examples}, ...)."
        )
    return [known[image_id] for image_id in ids]


def name_label_files(labels: list[str]) -> dict[str, str]:
    """Split "TITLE=FILE"; the file's name is the title where none is given."""
    files: dict[str, str] = {}
    for label in labels:
        title, separator, path = label.partition("=")
        if not separator or Path(label).is_file():
            title, path = Path(label).stem, label
        if title in files:
            raise ValueError(f"--labels: two columns are called '{title}'; use TITLE=FILE.")
        files[title] = path
    return files

"""Which images and label files a contact sheet shows: from the arguments of a command."""

from pathlib import Path, PurePosixPath

from bestie.visualization.contact_sheet import choose_evenly, shown_name

__all__ = ["choose_images", "name_label_files"]


def choose_images(records: list[dict], ids: list[str] | None, number: int) -> list[dict]:
    """The dataset dicts of ``ids`` (names or image ids), or ``number`` spread over the split.

    A name may have as many folders as tell it from the others.
    """
    if ids is None:
        if number < 1:
            raise ValueError(f"--number must be 1 or more, got {number}.")
        return choose_evenly(records, number)
    known = {str(record["image_id"]): record for record in records}
    known |= {str(record["image_name"]): record for record in records if "image_name" in record}
    for name in [name for name in ids if name not in known]:
        found = [record for record in records if _ends_with(record["file_name"], name)]
        if len(found) > 1:
            names = ", ".join(shown_name(record, records) for record in found[:5])
            raise ValueError(f"--ids: {name} stands for {len(found)} images: {names}")
        known.update(dict.fromkeys([name] * len(found), *found))
    unknown = [image_id for image_id in ids if image_id not in known]
    if unknown:
        examples = ", ".join(shown_name(record, records) for record in records[:5])
        raise ValueError(
            f"--ids: {', '.join(unknown)} not among the {len(records)} images of this data set "
            f"({examples}, ...)."
        )
    return [known[image_id] for image_id in ids]


def _ends_with(file: str, name: str) -> bool:
    """Whether the path of a file, without its suffix, ends with a name."""
    parts, wanted = PurePosixPath(file), PurePosixPath(name)
    return any(
        whole[-len(wanted.parts) :] == wanted.parts
        for whole in (parts.parts, parts.with_suffix("").parts)
    )


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

"""The supervision ledger beside points and maps."""

import pytest

from bestie.formats import DataError
from bestie.formats.ledger import LEDGER, read_ledger, write_ledger_entry


def test_entries_of_splits_stand_side_by_side(tmp_path):
    entry = {"stage": "cues", "consumed": [{"kind": "tags", "labels": "image tags"}]}
    assert read_ledger(tmp_path) == {}
    write_ledger_entry(tmp_path, "train", entry)
    write_ledger_entry(tmp_path, "val", {})
    assert read_ledger(tmp_path) == {"train": entry, "val": {}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": ', "json"),
        ("[1]", "one entry per split"),
        ('{"train": {"consumed": {"kind": "tags"}}}', "one entry per split"),
        ('{"train": {"consumed": [{"kind": "Tags"}]}}', "kind of labels 'Tags'; accepted are"),
        ('{"train": {"classifier": {"pretrained": {"kind": 3}}}}', "kind of labels 3; accepted"),
    ],
)
def test_a_broken_ledger_is_named(tmp_path, content, message):
    (tmp_path / LEDGER).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_ledger(tmp_path)
    assert LEDGER in str(caught.value)

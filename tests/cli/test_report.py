"""The command that writes the report of a run again."""

import pytest

from bestie.cli import report
from tests.report.conftest import data, run, write_json  # noqa: F401  (fixtures)


def test_the_page_is_written_again_and_its_path_printed(run, capsys):  # noqa: F811
    path = run / "report.html"
    path.write_text("damaged")
    report.main([str(run)])
    assert capsys.readouterr().out == f"{path}\n"
    text = path.read_text()
    assert "Instance cues" in text and "damaged" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .*is this the output folder of a pipeline"),
        ({"stages": 3}, "holds no object with 'stages'"),
        ({"stages": {}, "supervision": "boxes"}, "one of tags, clicks, .*got 'boxes'"),
    ],
)
def test_other_folders_are_refused(tmp_path, content, message):
    if content is not None:
        write_json(tmp_path / "manifest.json", content)
    with pytest.raises(ValueError, match=message):
        report.main([str(tmp_path)])
    assert not (tmp_path / "report.html").exists()


def test_a_folder_is_needed(capsys):
    with pytest.raises(SystemExit):
        report.parse_arguments([])
    assert "required: DIR" in capsys.readouterr().err

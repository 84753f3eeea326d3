import pytest

from bestie.cli import export as tool


def test_arguments_are_those_of_detectron2_and_some_more():
    args = tool.parse_arguments(
        ["--output", "labels.json", "--num-processes", "2", "--no-tags", "MODEL.DEVICE", "cpu"]
    )
    assert args.num_gpus == 2 and args.num_machines == 1 and args.dist_url == "auto"
    assert args.no_tags and not args.no_clicks
    assert args.opts == ["MODEL.DEVICE", "cpu"]
    assert tool.parse_arguments(["--output", "labels.json"]).num_gpus == 1


@pytest.mark.parametrize("key", ["USE_TAGS", "USE_CLICKS"])
def test_keys_that_the_flags_set_are_refused(key):
    overrides = [f"MODEL.BESTIE.TEST.{key}", "False"]
    with pytest.raises(ValueError, match=f"{key} is set by this tool"):
        tool.work(tool.parse_arguments(["--output", "labels.json", *overrides]))


def test_a_data_set_is_needed():
    args = tool.parse_arguments(["--output", "labels.json", "MODEL.DEVICE", "cpu"])
    with pytest.raises(ValueError, match="no data set"):
        tool.work(args)


def test_what_is_exported_is_needed_and_a_folder_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="nothing to export: give --labels, --run, --data"):
        tool.main(["--output", "labels.json"])
    args = tool.parse_arguments(["--config-file", "x.yaml", "--output", str(tmp_path)])
    with pytest.raises(ValueError, match="is a folder; the COCO json to write is expected"):
        tool.work(args)

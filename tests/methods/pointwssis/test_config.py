from bestie.methods.pointwssis.config import check_pointwssis_config
from bestie.training.setup import merge_config


def test_mistakes_in_the_config_are_listed():
    wrong = ["MODEL.POINTWSSIS.PROMPT", "clicks", "MODEL.POINTWSSIS.LEVEL", "p7"]
    wrong += ["MODEL.REFINER.INPUTS", "['depth']", "MODEL.REFINER.CROP_SCALE", "0.5"]
    problems = check_pointwssis_config(merge_config("", wrong))
    assert len(problems) == 4
    for text in ("got 'clicks'", "got 'p7'", "['depth']", "got 0.5"):
        assert any(text in problem for problem in problems), text

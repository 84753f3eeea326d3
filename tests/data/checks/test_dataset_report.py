"""Counts and problems of a split, for people and as json."""

import json

import numpy as np

from bestie.data.checks.dataset_report import DatasetReport
from bestie.data.checks.images import Problem


def test_errors_come_first_and_the_rest_is_counted():
    problems = [Problem("warning", "a.txt", 3, "odd"), Problem("error", "b.png", None, "wrong")]
    report = DatasetReport(problems, ["cat", "dog"], 2, np.array([2, 1]))
    assert (report.count("error"), report.count("warning")) == (1, 1)
    lines = list(report.problem_lines(10))
    assert [line.split(":")[0] for line in lines] == ["error", "warning"]
    assert "a.txt, line 3" in lines[1]
    many = DatasetReport(problems * 5, ["cat", "dog"], 2, np.array([2, 1]))
    shown = "\n".join(many.problem_lines(2))
    assert shown.count("error: ") == shown.count("warning: ") == 2


def test_counts_are_by_class_name():
    report = DatasetReport([], ["cat", "dog"], 2, np.array([2, 1]))
    content = json.loads(json.dumps(report.as_dict()))
    assert "cat" in json.dumps(content) and "cat" in report.table()

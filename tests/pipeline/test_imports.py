"""Which files a program runs, on a package of a few lines."""

import pytest

from bestie.pipeline.imports import Package, source_digest_text

ALWAYS = {"", "config", "data", "data.loader", "data.setting", "engine", "files", "lazy"}
ALWAYS |= {"nets", "nets.build"}


def found(toy: Package, *entries: str, **fields) -> set[str]:
    files = toy.closure(entries, **fields).files
    return {name.removeprefix("toy").removeprefix(".") for name in files if name[-3:] != ".py"}


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ([], set()),
        (["One"], {"nets.one", "nets.losses"}),
        (["Two"], {"nets.two", "nets.heads"}),
        (["Small"], set()),  # nothing can look it up
        (["Two", "Small"], {"nets.two", "nets.heads", "nets.small"}),
    ],
)
def test_imports_are_followed_and_registered_parts_count_if_they_are_named(toy, names, more):
    assert found(toy, "tools/train.py", names=names, stop=["toy.draw"]) == ALWAYS | more


def test_libraries_are_known_and_parts_may_be_left_out(toy):
    assert toy.closure(["toy.engine"], stop=["toy.draw"]).libraries == {"torch", "outside"}
    assert toy.closure(["toy.draw"]).libraries == {"matplotlib"}
    assert found(toy, "tools/train.py") == ALWAYS | {"draw", "drawn"}
    assert found(toy, "toy.data") == {
        "",
        "data",
        "data.loader",
        "data.check",
        "data.setting",
        "files",
    }


def test_an_import_that_cannot_be_followed_counts_as_all(toy):
    (toy.folder / "toy/lazy.py").write_text(
        "import importlib\nimportlib.import_module('toy.unused')"
    )
    assert found(toy, "toy.lazy") == {"", "lazy", "unused"}
    (toy.folder / "toy/lazy.py").write_text("import importlib\nimportlib.import_module(name)")
    assert found(toy, "toy.lazy") == {
        module.removeprefix("toy").removeprefix(".") for module in toy.modules()
    }


def test_what_does_not_exist_is_an_error(toy):
    for entry in ("toy.nothing", "tools/none.py"):
        with pytest.raises(ValueError, match="is not a module of toy, nor a script"):
            toy.closure([entry])


def test_comments_docstrings_and_layout_do_not_count():
    before = 'def f(a):\n    """Doc."""\n    return a + 1\n'
    after = "# why\ndef f(\n    a,\n):\n    'Other.'\n    return (a + 1)  # more\n"
    assert source_digest_text(before) == source_digest_text(after)
    for change in ("a + 2", "a - 1", "b + 1", "'Doc.'"):
        assert source_digest_text(before) != source_digest_text(before.replace("a + 1", change))

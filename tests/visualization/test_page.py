"""The html page: everything inside the file, everything escaped, every kind of block drawn."""

import base64
import io
import re

import numpy as np
from PIL import Image

from bestie.visualization import plot_bars
from bestie.visualization.page import (
    Commands,
    Figure,
    Figures,
    Heading,
    Notes,
    Page,
    Paragraph,
    Section,
    Strip,
    Table,
    chart_uri,
    format_cell,
    photo_uri,
    render_page,
)


def decoded(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.array(image.convert("RGB"))


def page_of(*blocks) -> str:
    return render_page(Page("title", sections=[Section("A section", blocks)]))


def test_charts_are_packed_without_loss_and_photos_keep_their_size():
    png = plot_bars(["a", "b"], {"x": [1.0, 2.0]})
    with Image.open(io.BytesIO(png)) as image:
        assert (decoded(chart_uri(png)) == np.array(image.convert("RGB"))).all()
    assert decoded(photo_uri(np.full((20, 30, 3), 90, np.uint8))).shape == (20, 30, 3)


def test_page_holds_everything_and_asks_for_nothing():
    figure = Figure(photo_uri(np.zeros((4, 4, 3), np.uint8)), "a picture")
    html = page_of(figure, Figures([figure]), Strip("one", [("first", figure)]))
    sources = re.findall(r"(?:src|href)=\"([^\"]*)\"", html)
    assert sources.count("#a-section") == 1
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert not re.search(r"<script|<link|@import|url\(|https?:", html)
    assert html.count("<img") == html.count('alt="a picture"') == 3


def test_every_text_is_escaped():
    evil = "<b>&"
    html = render_page(
        Page(
            evil,
            facts=[(evil, evil)],
            summary=[Paragraph(evil), Heading(evil)],
            sections=[
                Section(
                    evil,
                    [
                        Table([evil], [[evil]], caption=evil),
                        Notes([evil, evil], shown=1),
                        Commands([(evil, evil)]),
                        Strip(evil, [(evil, Figure("data:,", evil))]),
                        Figure("data:,", evil, folded=True),
                    ],
                )
            ],
        )
    )
    assert "<b>" not in html
    assert html.count("&lt;b&gt;&amp;") == 20


def test_cells_show_numbers_and_gaps():
    assert [format_cell(v) for v in (3, 2.25, None, float("nan"), "x")] == [
        "3",
        "2.2",
        "–",
        "–",
        "x",
    ]


def test_columns_of_numbers_are_set_flush_right():
    table = Table(["name", "a", "b"], [["x", 1.0, 2], ["y", None, "2 MiB"]], tones=["good", ""])
    assert table.numeric() == [False, True, False]
    html = page_of(table)
    assert '<tr class="good"><td>x</td><td class="number">1.0</td><td>2</td></tr>' in html
    assert '<th class="number">a</th>' in html
    assert Table(["a"], []).numeric() == [True]


def test_long_lists_are_folded():
    html = page_of(Notes([f"note {n}" for n in range(5)], tone="warn", shown=2))
    before, _, after = html.partition("<summary>3 more</summary>")
    assert "note 1" in before and "note 2" not in before
    assert "note 2" in after and "note 4" in after
    assert "<details>" not in page_of(Notes(["one"]))

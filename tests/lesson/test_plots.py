from __future__ import annotations

import base64
import io
import math
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.lesson import page, plots
from helpers.lesson.plots import IntervalRow
from helpers.settings import CourseError

ROWS = [
    IntervalRow("grounded <b>", [0.9, 0.95, 0.93], 0.93, 0.9, 0.96, "holds"),
    IntervalRow("text", [0.1], 0.1, -math.inf, math.inf),
]


def picture(value: int = 90, px: int = 32) -> np.ndarray:
    return np.full((px, px, 3), value, np.uint8)


def film(frames: int = 8, px: int = 32) -> np.ndarray:
    return np.stack([picture(15 * i, px) for i in range(frames)])


def image_of(html: str) -> Image.Image:
    data = re.search(r'<img src="data:image/png;base64,([^"]+)"', html)
    assert data
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def size_of(html: str) -> tuple[int, int]:
    found = re.search(r'width="(\d+)" height="(\d+)"', html)
    assert found
    return int(found[1]), int(found[2])


def curves() -> str:
    figure, axes = plots.new_figure(640, 340)
    for k in range(3):
        axes.plot(range(8), [1 / (1 + k + i) for i in range(8)], label=f"{k}")
    axes.legend()
    return plots.figure_html(figure, 'losses "fall" & rest')


ALL = {
    "figure": curves,
    "intervals": lambda: plots.figure_html(plots.interval_figure(ROWS, "accuracy", 0.5, (0.4, 0.6)), "x"),
    "picture": lambda: plots.picture_html(picture(), "x"),
    "strip": lambda: plots.picture_strip_html([picture()] * 3, ["a", "a title of some length", ""], "x"),
    "film strip": lambda: plots.film_strip_html(film(16), "x"),
    "player": lambda: plots.film_player_html(film(), "x"),
}


@pytest.mark.parametrize("kind", ALL)
def test_every_figure_is_small_fits_and_has_the_same_bytes_twice(kind: str) -> None:
    html = ALL[kind]()
    assert html == ALL[kind]()
    assert len(html) < 60_000
    assert size_of(html)[0] <= page.MAX_WIDTH
    assert re.search(r'alt="[^"]+"', html)
    assert b"Software" not in base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])


def test_the_alternative_is_escaped_and_required() -> None:
    assert 'alt="losses &quot;fall&quot; &amp; rest"' in curves()
    figure, _ = plots.new_figure()
    for alt in ("", "  "):
        with pytest.raises(CourseError, match="text alternative"):
            plots.show(figure, alt)


def test_show_gives_html_and_the_alternative_as_text(shown: list[dict[str, Any]]) -> None:
    figure, _ = plots.new_figure()
    plots.show(figure, "An empty plot")
    assert shown[0]["text/plain"] == "An empty plot"
    assert shown[0]["text/html"].startswith("<img ")


def test_lines_differ_in_more_than_color() -> None:
    _, axes = plots.new_figure()
    lines = [axes.plot([0, 1])[0] for _ in plots.COLORS]
    assert len({line.get_color() for line in lines}) == len(plots.COLORS)
    assert len({line.get_marker() for line in lines}) == len(plots.COLORS)


def test_looks_are_all_different_and_stay_the_same() -> None:
    names = [f"way {number}" for number in range(9)]
    looks = plots.looks(names)
    assert len({look["color"] for look in looks.values()}) == 9
    assert len({look["marker"] for look in looks.values()}) == 9
    assert plots.looks(names[:3]) == {name: looks[name] for name in names[:3]}
    _, axes = plots.new_figure()
    (line,) = axes.plot([1, 2], **looks["way 8"])
    assert line.get_color() == looks["way 8"]["color"]
    with pytest.raises(CourseError, match="too many"):
        plots.looks([*names, "one more"])


def test_no_global_state_of_matplotlib_is_touched() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    curves()
    assert dict(matplotlib.rcParams) == before


def test_interval_plot_draws_every_seed_and_writes_its_numbers() -> None:
    figure = plots.interval_figure(ROWS, "accuracy", threshold=0.5, band=(0.4, 0.6))
    axes = figure.axes[0]
    dots = [line for line in axes.lines if line.get_alpha() == 0.85]
    assert [list(line.get_xdata()) for line in dots] == [row.values for row in ROWS]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["0.93 [0.9, 0.96]\n✔ holds", "0.1 (one seed)"]
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert labels == {"margin 0.4 to 0.6", "threshold 0.5", "one seed", "mean and 95% interval"}


def test_no_text_of_an_interval_plot_is_smaller_than_10_points() -> None:
    figure = plots.interval_figure(ROWS, "accuracy", threshold=0.5)
    axes = figure.axes[0]
    texts = [*axes.texts, *axes.get_legend().get_texts(), *axes.get_xticklabels(), *axes.get_yticklabels()]
    assert min(text.get_fontsize() for text in [*texts, axes.xaxis.label]) >= 10


def test_an_interval_plot_refuses_nan_and_nothing() -> None:
    with pytest.raises(CourseError, match="at least one row"):
        plots.interval_figure([], "x")
    with pytest.raises(CourseError, match="NaN"):
        plots.interval_figure([IntervalRow("a", [math.nan], 1, 0, 2)], "x")


def test_pictures_are_enlarged_without_blur() -> None:
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    large = np.asarray(image_of(plots.picture_html(small, "noise", scale=5)).convert("RGB"))
    assert (large == small.repeat(5, 0).repeat(5, 1)).all()


def test_a_picture_of_the_wrong_type_is_refused() -> None:
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)):
        with pytest.raises(CourseError, match="uint8"):
            plots.picture_html(wrong, "x")


def test_a_strip_needs_a_title_for_each_picture() -> None:
    with pytest.raises(CourseError, match="2 pictures, 1 titles"):
        plots.picture_strip_html([picture()] * 2, ["one"], "x")


def test_a_film_strip_shows_each_frame_in_order() -> None:
    html = plots.film_strip_html(film(8), "getting brighter")
    image = image_of(html).convert("RGB")
    row = [image.getpixel((2 * plots.PAD + 90 + i * (192 + 2 * plots.GAP), 60))[0] for i in range(8)]
    assert row == [15 * i for i in range(8)]


def test_a_film_plays_all_frames_for_ever_and_stands_still_on_request() -> None:
    html = plots.film_player_html(film(6), "getting brighter")
    playing = image_of(html)
    assert playing.n_frames == 6
    assert playing.info["loop"] == 0
    assert html.startswith('<picture><source media="(prefers-reduced-motion: reduce)"')


def test_a_film_that_does_not_move_keeps_its_frames() -> None:
    assert image_of(plots.film_player_html(np.stack([picture()] * 4), "still")).n_frames == 4


def test_a_table_has_headings_and_escapes_everything(shown: list[dict[str, Any]]) -> None:
    plots.table([["<cat>", 3, -0.254], ["dog", 12, 1.5]], ["kind", "n & m", "logp"], caption="Two <kinds>")
    html = shown[0]["text/html"]
    assert html.count('scope="col"') == 3
    assert html.count('scope="row"') == 2
    assert "&lt;cat&gt;" in html
    assert "n &amp; m" in html
    assert "Two &lt;kinds&gt;" in html
    assert "−0.25" in html
    assert "<cat>" not in html
    assert shown[0]["text/plain"].splitlines() == [
        "Two <kinds>",
        "kind | n & m | logp",
        "<cat> | 3 | −0.25",
        "dog | 12 | 1.50",
    ]


def test_a_table_with_a_missing_cell_is_refused() -> None:
    with pytest.raises(CourseError, match="2 cells"):
        plots.table_html([["a"]], ["x", "y"])


def test_no_color_of_a_picture_is_lost() -> None:
    noisy = np.random.default_rng(0).integers(90, 130, (32, 32, 3), np.uint8)
    noisy[13, 9] = 0  # one black eye among a thousand other colors
    html = plots.picture_strip_html([noisy], [""], "a cat's eye")
    assert image_of(html).convert("RGB").getextrema()[0][0] == 0


def test_drawings_use_a_palette() -> None:
    assert image_of(curves()).mode == "P"


def test_paired_bars_draw_one_group_per_label(shown: list[dict[str, Any]]) -> None:
    plots.paired_bars(["a", "b / c"], {"x": [1.0, 2.0], "y": [3.0, 0.5]}, "nats", alt="Two groups of bars.")
    assert 'alt="Two groups of bars."' in shown[-1]["text/html"]


def test_panels_are_in_one_style_row_by_row() -> None:
    figure, panels = plots.new_panels(2, 3, 700, 400)
    assert figure.axes == panels
    assert len(panels) == 6
    for axes in panels:
        first, second = (axes.plot([0, 1], [0, 1])[0] for _ in range(2))
        assert first.get_color() != second.get_color()
        assert first.get_marker() != second.get_marker()
        assert not axes.spines["top"].get_visible()

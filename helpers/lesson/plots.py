"""Figures, pictures, films and tables in one style, each with a text alternative.

Knows how to turn arrays and numbers into small, self-contained HTML. Knows nothing about lessons or claims.
matplotlib is used through its objects only: no global state, no back end, the same bytes every time.
"""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.figures import short, tidy_number
from helpers.lesson import page
from helpers.settings import CourseError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image, ImageFont

# Okabe and Ito's palette, which color-blind readers tell apart; always together with a marker or a hatch.
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", "--", "-.", ":", "-", "--", "-."]
#: Two further looks, dark enough to stand apart: for figures that share more than seven names.
FURTHER = [("#882255", "<", (0, (6, 1, 1, 1, 1, 1))), ("#7d7d00", "*", (0, (2, 1)))]
HATCHES = ["", "//", "..", "xx", "\\\\", "++", "oo"]

CSS_PER_INCH = 96  # so that 10 pt in a figure is 10 pt on the page
DENSITY = 1.5  # image pixels per CSS pixel: sharp on fine screens, still small
UNSEEN = 48  # of 255: the most by which a palette may change a pixel (mostly at the softened edge of a line)
INK, FAINT = "#222222", "#6b6b6b"
VERDICT_ICONS = {"holds": "✔", "fails": "✘", "inconclusive": "?"}

FRAME_MS = 170  # of a playing film
LAST_FRAME_MS = 700  # so that the direction of time is clear
BAR = 6  # CSS pixels: the height of the bar that fills up while a film plays
CELL = 160  # wanted CSS pixels of one picture in a strip
TITLE_WIDTH = 240  # a title may be wider than its picture, up to this
GAP, PAD = 6, 5  # CSS pixels between pictures and around them: eight of 96 pixels fill the width
TITLE_PX = 14
SHORT_CELL = 16  # characters: a cell up to this length stays on one line


@dataclass(frozen=True)
class IntervalRow:
    """One row of an interval plot: a value per seed, mean and interval (infinite for a single value).

    Attributes:
        verdict: "holds", "fails", "inconclusive", or None for a row without one.
    """

    label: str
    values: Sequence[float]
    mean: float
    low: float
    high: float
    verdict: str | None = None


# --- figures ------------------------------------------------------------------------------------------------


def new_figure(width: float = 640, height: float = 360) -> tuple[Figure, Axes]:
    """A figure of `width` x `height` CSS pixels (at most 820 wide) and its one axes, in the course's style.

    Lines drawn after another differ in color, marker and dash.
    """
    figure, (axes,) = new_panels(1, 1, width, height)
    return figure, axes


def new_panels(rows: int, columns: int, width: float = 800, height: float = 520) -> tuple[Figure, list[Axes]]:
    """Like `new_figure`, with `rows` x `columns` axes, row by row."""
    from cycler import cycler
    from matplotlib.figure import Figure

    inches = (min(width, page.MAX_WIDTH) / CSS_PER_INCH, height / CSS_PER_INCH)
    figure = Figure(figsize=inches, dpi=CSS_PER_INCH * DENSITY, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_prop_cycle(cycler(color=COLORS) + cycler(marker=MARKERS) + cycler(linestyle=DASHES))
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(colors=INK, labelsize=10)
        axes.grid(color="#e3e3e3", linewidth=0.8)
        axes.set_axisbelow(True)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(fontsize=11, color=INK)
        axes.title.set(fontsize=12, color=INK)
    return figure, panels


def looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A color, marker and dash for each name (keywords of matplotlib's plot), to be the same in all figures.

    Raises:
        CourseError: if there are more names than looks.
    """
    known = [*zip(COLORS, MARKERS, DASHES, strict=True), *FURTHER]
    if len(names) > len(known):
        raise CourseError(f"There are {len(known)} looks; {len(names)} names are too many to tell apart.")
    return {
        name: {"color": color, "marker": marker, "linestyle": dash}
        for name, (color, marker, dash) in zip(names, known, strict=False)
    }


def figure_html(figure: Figure, alt: str) -> str:
    """The figure as one ``<img>``: a PNG in the page, at most 820 CSS pixels wide."""
    from PIL import Image

    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", metadata={"Software": None})
        data = _png(Image.open(buffer).convert("RGB"))
    width, height = (round(inches * CSS_PER_INCH) for inches in figure.get_size_inches())
    return _img(data, alt, width, height)


def show(figure: Figure, alt: str) -> None:
    """Display the figure; `alt` says in words what it shows.

    Raises:
        CourseError: if `alt` is empty.
    """
    page.show_html(figure_html(figure, alt), alt)


def paired_bars(
    labels: Sequence[str], series: Mapping[str, Sequence[float]], ylabel: str, alt: str, width: float = 780
) -> None:
    """Display groups of bars side by side: one group per label, one bar in it per series.

    Args:
        labels: of the groups, from left to right.
        series: by name, one value per label.
        ylabel: what is measured, with its unit.
        alt: what the plot shows, in words.
    """
    figure, axes = new_figure(width, 340)
    bar = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        look = {"color": COLORS[i], "hatch": HATCHES[i], "edgecolor": "white", "label": name}
        axes.bar([x + bar * i for x in range(len(labels))], values, bar, **look)
    middle = bar * (len(series) - 1) / 2
    axes.set_xticks([x + middle for x in range(len(labels))], labels, rotation=30, ha="right")
    axes.set_ylabel(ylabel)
    axes.grid(False, axis="x")
    axes.legend(frameon=False, labelcolor=INK)
    show(figure, alt)


def interval_plot(
    rows: Sequence[IntervalRow],
    xlabel: str,
    alt: str,
    threshold: float | None = None,
    band: tuple[float, float] | None = None,
    threshold_name: str = "threshold",
) -> None:
    """Display one row per quantity: a dot per seed, the mean, its 95% interval, its numbers and verdict.

    Args:
        rows: from top to bottom.
        xlabel: what is measured, with its unit.
        alt: what the plot shows, in words.
        threshold: a value to be drawn as a line, labeled with `threshold_name`.
        band: a region to be drawn hatched and labeled, such as the margin of a null.
    """
    show(interval_figure(rows, xlabel, threshold, band, threshold_name), alt)


def interval_figure(
    rows: Sequence[IntervalRow],
    xlabel: str,
    threshold: float | None = None,
    band: tuple[float, float] | None = None,
    threshold_name: str = "threshold",
) -> Figure:
    """The figure of `interval_plot`.

    Raises:
        CourseError: if there is no row, or a number is NaN.
    """
    if not rows:
        raise CourseError("An interval plot needs at least one row.")
    if any(math.isnan(x) for row in rows for x in (*row.values, row.mean, row.low, row.high)):
        raise CourseError("An interval plot needs numbers, and got NaN: look at its values.")
    figure, axes = new_figure(page.MAX_WIDTH, 110 + 56 * len(rows))
    if band is not None:
        label = f"margin {short(band[0])} to {short(band[1])}"
        hatched = {"facecolor": "#f1f1f1", "edgecolor": "#c8c8c8", "hatch": "///", "linewidth": 0}
        axes.axvspan(*band, **hatched, zorder=0, label=label)
    if threshold is not None:
        label = f"{threshold_name} {short(threshold)}"
        axes.axvline(threshold, color=COLORS[1], linestyle=(0, (5, 3)), linewidth=1.6, zorder=1, label=label)
    for i, row in enumerate(rows):
        spread = [i + 0.2 * math.sin(2.4 * (k + 1)) for k in range(len(row.values))]
        dot = {"linestyle": "none", "marker": "o", "markersize": 5.5, "markeredgewidth": 0, "alpha": 0.85}
        axes.plot(row.values, spread, **dot, color=COLORS[5], zorder=2, label=None if i else "one seed")
        bar = {"fmt": "D", "markersize": 7, "elinewidth": 2.2, "capsize": 5, "capthick": 2.2, "color": INK}
        known = math.isfinite(row.low) and math.isfinite(row.high)  # the interval of one value is infinite
        reach = [[row.mean - row.low], [row.high - row.mean]] if known else None
        axes.errorbar(row.mean, i, xerr=reach, **bar, zorder=3, label=None if i else "mean and 95% interval")
        verdict = f"\n{VERDICT_ICONS.get(row.verdict, '')} {row.verdict}" if row.verdict else ""
        ends = f"[{short(row.low)}, {short(row.high)}]" if known else "(one seed)"
        right = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10.5, "color": INK}
        axes.text(1.015, i, f"{short(row.mean)} {ends}{verdict}", linespacing=1.35, **right)
    axes.set_yticks(range(len(rows)), [textwrap.fill(row.label, 30) for row in rows], fontsize=10.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.06)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(xlabel)
    look = {"frameon": False, "fontsize": 10, "labelcolor": INK, "handletextpad": 0.5, "columnspacing": 1.6}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, **look)
    return figure


# --- pictures and films -------------------------------------------------------------------------------------


def picture_html(picture: np.ndarray, alt: str, scale: int | None = None) -> str:
    """One picture as an ``<img>``, every pixel a square of `scale` CSS pixels (by default 160 in all).

    Args:
        picture: uint8 (height, width, 3).
        alt: what it shows, in words.
    """
    scale = scale or max(1, round(160 / picture.shape[1]))
    image = _enlarged(picture, scale)
    return _img(_png(image), alt, image.width, image.height)


def picture_strip(pictures: Sequence[np.ndarray], titles: Sequence[str], alt: str) -> None:
    """Display pictures in rows, each with a title below it, as one image."""
    page.show_html(picture_strip_html(pictures, titles, alt), alt)


def picture_strip_html(pictures: Sequence[np.ndarray], titles: Sequence[str], alt: str) -> str:
    """Pictures in rows of at most eight, each with its title, as one ``<img>``.

    Args:
        pictures: uint8 (height, width, 3) each, all of one shape.
        titles: one per picture; may be empty strings.
        alt: what they show, in words.
    """
    if len(pictures) == 0 or len(pictures) != len(titles):
        raise CourseError(
            f"A strip needs a title per picture: {len(pictures)} pictures, {len(titles)} titles."
        )
    return _strip_html(pictures, titles, alt, arrow=False)


def film_strip(film: np.ndarray, alt: str) -> None:
    """Display a film's frames side by side, numbered, above an arrow of time."""
    page.show_html(film_strip_html(film, alt), alt)


def film_strip_html(film: np.ndarray, alt: str) -> str:
    """A film's frames in rows of at most eight, numbered, with an arrow of time, as one ``<img>``.

    Args:
        film: uint8 (frames, height, width, 3).
        alt: what happens in it, in words.
    """
    return _strip_html(film, [str(number) for number in range(1, len(film) + 1)], alt, arrow=True)


def film_player_html(film: np.ndarray, alt: str, scale: int | None = None) -> str:
    """A film that plays by itself (an animated PNG) with a bar that fills up as time goes by.

    It stands still, on its middle frame, for readers who asked their system for reduced motion.

    Args:
        film: uint8 (frames, height, width, 3).
        alt: what happens in it, in words.
        scale: CSS pixels per pixel; by default about 160 in all.
    """
    from PIL import Image, ImageDraw

    scale = scale or max(1, round(160 / film.shape[2]))
    width, height = film.shape[2] * scale, film.shape[1] * scale + BAR
    reel = Image.new("RGB", (width, height * len(film)), "#d0d0d0")  # one below the other, to share a palette
    for number, picture in enumerate(film):
        reel.paste(_enlarged(picture, scale), (0, height * number))
        bottom, end = height * (number + 1) - 1, round(width * (number + 1) / len(film)) - 1
        ImageDraw.Draw(reel).rectangle((0, bottom - BAR + 1, end, bottom), fill=COLORS[0])
    middle = reel.crop((0, height * (len(film) // 2), width, height * (len(film) // 2 + 1)))
    reel = _with_palette(reel)
    frames = [reel.crop((0, height * i, width, height * (i + 1))) for i in range(len(film))]
    with io.BytesIO() as buffer:
        times = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
        frames[0].save(buffer, format="PNG", save_all=True, append_images=frames[1:], duration=times, loop=0)
        moving = buffer.getvalue()
    still = _data_uri(_png(middle))
    image = _img(moving, alt, width, height)
    return f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="{still}">{image}</picture>'


# --- tables -------------------------------------------------------------------------------------------------


def table(rows: Sequence[Sequence[Any]], columns: Sequence[str], caption: str = "") -> None:
    """Display a table; see `table_html`."""
    lines = [" | ".join(columns), *(" | ".join(_cell_text(cell) for cell in row) for row in rows)]
    page.show_html(table_html(rows, columns, caption), "\n".join([caption, *lines] if caption else lines))


def table_html(rows: Sequence[Sequence[Any]], columns: Sequence[str], caption: str = "") -> str:
    """An HTML table whose first column heads its rows; everything in it is escaped.

    Args:
        rows: cells of text or numbers; a float is shown with two decimals, numbers stand to the right.
        columns: the columns' headings.
        caption: one plain sentence above the table.
    """
    if any(len(row) != len(columns) for row in rows):
        raise CourseError(f"Every row of this table needs {len(columns)} cells, one for each heading.")
    edge = f"border:0;border-bottom:1px solid {page.BORDER};padding:6px 14px 6px 4px;vertical-align:top;"
    numeric = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    align = [f"{edge}text-align:{'right' if is_numeric else 'left'};" for is_numeric in numeric]
    head = "".join(
        f'<th scope="col" style="{style}font-weight:600;white-space:normal">{page.escape(column)}</th>'
        for column, style in zip(columns, align, strict=True)
    )
    body = []
    for row in rows:
        first, *others = (page.escape(_cell_text(cell)) for cell in row)
        cells = "".join(
            f'<td style="{style}white-space:{"normal" if len(cell) > SHORT_CELL else "nowrap"}">{cell}</td>'
            for cell, style in zip(others, align[1:], strict=True)
        )
        heading = f'<th scope="row" style="{align[0]}font-weight:400;white-space:normal">{first}</th>'
        body.append(f'<tr style="background:transparent">{heading}{cells}</tr>')
    title = f'<caption style="text-align:left">{page.escape(caption)}</caption>' if caption else ""
    return (
        f'<table class="{page.NO_MATH}" style="{page.TEXT_STYLE};border-collapse:collapse;margin:8px 0;'
        f'max-width:{page.MAX_WIDTH}px;table-layout:auto">{title}'
        f'<thead><tr style="background:transparent">{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


# --- plumbing -----------------------------------------------------------------------------------------------


def _img(data: bytes, alt: str, width: int, height: int) -> str:
    if not alt.strip():
        raise CourseError("Every figure needs a text alternative: say in a sentence what it shows (alt=...).")
    size = f'width="{width}" height="{height}"'
    style = "max-width:100%;height:auto;background:#fff;border-radius:4px"
    return f'<img src="{_data_uri(data)}" alt="{page.escape(alt)}" {size} style="{style}">'


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _png(image: Image.Image) -> bytes:
    with io.BytesIO() as buffer:
        _with_palette(image).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()


def _with_palette(image: Image.Image) -> Image.Image:
    """The image in 256 colors, a third of the size, unless a pixel would look different."""
    from PIL import Image

    reduced = image.quantize(256, kmeans=2, dither=Image.Dither.NONE)
    change = np.asarray(reduced.convert("RGB"), dtype=np.int16) - np.asarray(image, dtype=np.int16)
    return reduced if np.abs(change).max() <= UNSEEN else image


def _enlarged(picture: np.ndarray, scale: int) -> Image.Image:
    """The picture with every pixel repeated `scale` times in both directions: crisp at any size."""
    from PIL import Image

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise CourseError(f"A picture is uint8 (height, width, 3), not {picture.dtype} {picture.shape}.")
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))


def _strip_html(pictures: Sequence[np.ndarray], titles: Sequence[str], alt: str, arrow: bool) -> str:
    """Draw the strip at twice its CSS size, so that its text is sharp on fine screens."""
    from PIL import Image, ImageDraw

    per_row = min(len(pictures), 8)
    height, width = pictures[0].shape[:2]
    room = (page.MAX_WIDTH - 2 * PAD - (per_row - 1) * GAP) / per_row
    scale = max(1, int(2 * min(room, max(CELL, width)) / width))
    picture_w, picture_h, gap, pad = width * scale, height * scale, 2 * GAP, 2 * PAD
    font = _font(2 * TITLE_PX)
    title_w = max(math.ceil(font.getlength(title)) for title in titles)
    cell_w = max(picture_w, int(min(2 * room, 2 * TITLE_WIDTH, title_w)))
    wrapped = [_wrap(title, font, cell_w) for title in titles]
    line_h = int(2 * TITLE_PX * 1.3)
    chunks = [range(start, min(start + per_row, len(pictures))) for start in range(0, len(pictures), per_row)]
    text_h = [max(len(wrapped[i]) for i in chunk) * line_h + gap for chunk in chunks]
    arrow_h = line_h + gap if arrow else 0
    total_w = 2 * pad + per_row * cell_w + (per_row - 1) * gap
    total_h = 2 * pad + sum(picture_h + h + arrow_h for h in text_h) + (len(chunks) - 1) * gap
    canvas = Image.new("RGB", (total_w, total_h), "white")
    pen = ImageDraw.Draw(canvas)
    top = pad
    for chunk, titles_h in zip(chunks, text_h, strict=True):
        for column, i in enumerate(chunk):
            left = pad + column * (cell_w + gap)
            canvas.paste(_enlarged(pictures[i], scale), (left + (cell_w - picture_w) // 2, top))
            for k, line in enumerate(wrapped[i]):
                at = (left + cell_w / 2, top + picture_h + gap // 2 + k * line_h)
                pen.text(at, line, fill=INK, font=font, anchor="ma")
        top += picture_h + titles_h
        if arrow:
            right = pad + len(chunk) * (cell_w + gap) - gap
            _draw_arrow(pen, pad, right, top + line_h // 2, font)
        top += arrow_h + gap
    return _img(_png(canvas), alt, total_w // 2, total_h // 2)


def _draw_arrow(pen: Any, left: int, right: int, y: int, font: ImageFont.FreeTypeFont) -> None:
    """An arrow from left to right with the word "time" set into its start."""
    pen.text((left, y), "time", fill=FAINT, font=font, anchor="lm")
    start = left + int(font.getlength("time")) + 12
    pen.line((start, y, right - 14, y), fill=FAINT, width=3)
    pen.polygon([(right, y), (right - 18, y - 9), (right - 18, y + 9)], fill=FAINT)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the figures, which matplotlib brings along: the same letters on every machine."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in lines no wider than `width` where its words allow."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool)


def _cell_text(cell: Any) -> str:
    if isinstance(cell, (float, np.floating)):
        return tidy_number(f"{cell:.2f}")
    return tidy_number(str(cell)) if _is_number(cell) else str(cell)

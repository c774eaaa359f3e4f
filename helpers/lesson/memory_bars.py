"""Bars of a training's memory: what each part takes, beside what a card has and what was measured.

Knows how to draw the planner's predictions, in one color and hatch per part. Knows nothing about how they are
made, and nothing about a lesson.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.lesson import page, plots
from helpers.settings import CourseError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.models.planner import Memory

GIGA = 1e9  # bytes in a GB, as cards are sold
PARTS = ("weights", "reference", "gradients", "optimizer", "activations", "logits")
_PALETTE = (0, 5, 2, 3, 4, 1)  # of `plots.COLORS`: neighbors differ in lightness as well


@dataclass(frozen=True)
class Bar:
    """One bar: a label, the prediction, and what was measured in bytes, if it was."""

    label: str
    memory: Memory
    measured: float | None = None


def memory_figure(bars: Sequence[Bar], card_gb: float | None = None, xlabel: str = "") -> Figure:
    """Stacked bars, from top to bottom: the parts at the highest moment of a step, in GB (10^9 bytes).

    Args:
        bars: at least one. A measured value is drawn as a black diamond.
        card_gb: what a card has, as a dashed line.
        xlabel: by default says that it is a predicted peak.

    Raises:
        CourseError: if there is no bar.
    """
    if not bars:
        raise CourseError("A figure of memory needs at least one bar.")
    figure, axes = plots.new_figure(page.MAX_WIDTH, 120 + 44 * len(bars))
    for row, bar in enumerate(bars):
        left = 0.0
        for number, part in enumerate(PARTS):
            size = getattr(bar.memory, part) / GIGA
            look = {"color": plots.COLORS[_PALETTE[number]], "hatch": plots.HATCHES[number]}
            axes.barh(row, size, 0.62, left, edgecolor="white", label=None if row else part, **look)
            left += size
        said = f"{left:.2f}" if bar.measured is None else f"{left:.2f} ({bar.measured / GIGA:.2f})"
        right = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10, "color": plots.INK}
        axes.text(1.01, row, said, **right)
    measured = [(bar.measured / GIGA, row) for row, bar in enumerate(bars) if bar.measured is not None]
    if measured:
        diamond = {"linestyle": "none", "marker": "D", "markersize": 7, "color": "black"}
        axes.plot(
            *zip(*measured, strict=True), **diamond, markeredgecolor="white", label="measured", zorder=4
        )
    if card_gb is not None:
        axes.axvline(card_gb, color=plots.INK, linestyle=(0, (5, 3)), linewidth=1.6, marker="", label="card")
    axes.set_yticks(range(len(bars)), [textwrap.fill(bar.label, 30) for bar in bars], fontsize=10)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(xlabel or "predicted peak of one training step (GB)")
    look = {"frameon": False, "fontsize": 9.5, "labelcolor": plots.INK, "columnspacing": 1.2}
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, handletextpad=0.5, **look
    )
    return figure


def in_words(bars: Sequence[Bar], card_gb: float | None = None) -> str:
    """The same for those who cannot see it: every bar with its total and its largest part."""
    said = []
    for bar in bars:
        largest = max(PARTS, key=lambda part: getattr(bar.memory, part))
        share = getattr(bar.memory, largest) / bar.memory.total
        text = f"{bar.label}: {bar.memory.total / GIGA:.2f} GB predicted, {share:.0%} of it {largest}"
        if bar.measured is not None:
            text += f", {bar.measured / GIGA:.2f} GB measured"
        said.append(text)
    card = f" The card has {card_gb:g} GB." if card_gb is not None else ""
    return f"Bars of memory. {'; '.join(said)}.{card}"

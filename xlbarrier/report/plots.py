"""Plots: inline SVG that follows the page's colours, and PNG copies for papers and READMEs."""

import io
import math
import pathlib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib

matplotlib.use('Agg')

from matplotlib import pyplot as plt
from matplotlib import ticker

from xlbarrier.datafiles import write_atomic

COLOURS = ('#6b7280', '#d97706', '#2563eb', '#059669', '#7c3aed', '#db2777')


def colours_of(models: Sequence[str]) -> dict[str, str]:
    """A colour for each model, by its position; with more models than colours they repeat."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(models)}


@dataclass(frozen=True)
class Point:
    """A value with its interval, as a share; `text` is shown on hovering."""

    value: float
    low: float
    high: float
    text: str


def dots(
    groups: Mapping[str, Mapping[str, Point]],
    *,
    title: str,
    unit: str,
    span: tuple[float, float],
    guide: float | None = None,
) -> str:
    """Dots with intervals as SVG: for each group one row per series.

    Args:
      groups: row label -> series -> point.
      title: read by screen readers.
      unit: of the axis.
      span: of the axis, as shares.
      guide: where a dashed line is drawn (chance, or zero).
    """
    series = list(dict.fromkeys(name for points in groups.values() for name in points))
    left, width, line = _label_width(groups), 560, 17
    heights = [max(len(points), 1) * line + 10 for points in groups.values()]
    height = sum(heights) + 34

    def x(value: float) -> float:
        share = (value - span[0]) / (span[1] - span[0])
        return left + min(1.0, max(0.0, share)) * (width - 14)

    out = [_open(left + width, height, title)]
    for tick in round_ticks(*span):
        out.append(
            f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="0" y2="{height - 30}"/>'
        )
        out.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{height - 16}" text-anchor="middle">'
            f'{100 * tick:.0f}</text>'
        )
    if guide is not None:
        out.append(
            f'<line class="guide" x1="{x(guide):.1f}" x2="{x(guide):.1f}"'
            f' y1="0" y2="{height - 30}"/>'
        )
    top = 0.0
    for (label, points), tall in zip(groups.items(), heights, strict=True):
        out.append(
            f'<text class="label" x="{left - 10}" y="{top + tall / 2 + 4:.1f}"'
            f' text-anchor="end">{escape(label)}</text>'
        )
        for row, (name, p) in enumerate(points.items()):
            y = top + 5 + line * (row + 0.5)
            colour = COLOURS[series.index(name) % len(COLOURS)]
            out.append(
                f'<g><title>{escape(p.text)}</title>'
                f'<line x1="{x(p.low):.1f}" x2="{x(p.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
                f' stroke="{colour}" stroke-width="2.5" stroke-linecap="round" opacity="0.55"/>'
                f'<circle cx="{x(p.value):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/></g>'
            )
        top += tall
    out.append(
        f'<text class="tick" x="{left + width / 2}" y="{height - 1}" text-anchor="middle">'
        f'{escape(unit)}</text></svg>'
    )
    return ''.join(out)


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    unit: str,
    colours: Mapping[str, str],
) -> str:
    """Lines over the number of tokens, as SVG, in their colours; empty without points."""
    points = [p for line in lines.values() for p in line]
    if not points:
        return ''
    left, width, height = 52, 626, 230
    most = max(p[0] for p in points)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    levels = round_ticks(low, high)
    step = levels[1] - levels[0]
    low, high = min(low, levels[0]), max(high, levels[-1])

    def across(x: float) -> float:
        return left + x / most * (width - 16)

    def down(y: float) -> float:
        return 8 + (high - y) / (high - low) * (height - 50)

    def place(p: tuple[float, float]) -> str:
        return f'{across(p[0]):.1f},{down(p[1]):.1f}'

    out = [_open(left + width, height, title)]
    for level in levels:
        y = down(level)
        out.append(
            f'<line class="grid" x1="{left}" x2="{left + width - 16}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        out.append(
            f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f'{level:.{_digits(step)}f}</text>'
        )
    for value in (value for value in round_ticks(0, most) if value <= most):
        out.append(
            f'<text class="tick" x="{across(value):.1f}" y="{height - 24}" text-anchor="middle">'
            f'{value:,.0f}</text>'
        )
    for name, line in lines.items():
        colour = colours.get(name, COLOURS[0])  # an arm without answers is not in the legend
        out.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2"'
            f' points="{" ".join(place(p) for p in line)}"><title>{escape(name)}</title></polyline>'
        )
    out.append(
        f'<text class="tick" x="{left + width / 2}" y="{height - 6}" text-anchor="middle">'
        f'{escape(unit)}</text></svg>'
    )
    return ''.join(out)


def matrix(
    names: Sequence[str], cells: Mapping[tuple[int, int], tuple[float, str]], *, title: str
) -> str:
    """A square of shares between languages as SVG; the darker, the more they have in common.

    Args:
      names: of the languages.
      cells: (row, column), with column < row -> share from 0 to 1, and what is shown on hovering.
      title: read by screen readers.
    """
    rows, columns = names[1:], names[:-1]  # each pair once, below the diagonal
    side, left, top = 46, _label_width(rows), 6
    width, height = left + side * len(columns), top + side * len(rows)
    turned = 14 + round(4.6 * max(map(len, columns)))
    out = [_open(width + turned, height + turned, title, natural=True)]
    for number, (row_name, column_name) in enumerate(zip(rows, columns, strict=True)):
        middle = side * (number + 0.5)
        out.append(
            f'<text class="label" x="{left - 10}" y="{top + middle + 4}" text-anchor="end">'
            f'{escape(row_name)}</text>'
        )
        x, y = left + middle - 4, height + 14
        out.append(
            f'<text class="label" x="{x}" y="{y}" transform="rotate(35 {x} {y})">'
            f'{escape(column_name)}</text>'
        )
    for (row, column), (share, text) in cells.items():
        x, y = left + side * column, top + side * (row - 1)
        shade = f'style="--shade: {min(1.0, max(0.0, share)):.3f}"'
        out.append(
            f'<g><title>{escape(text)}</title>'
            f'<rect class="cell" {shade} x="{x + 1}" y="{y + 1}" width="{side - 2}"'
            f' height="{side - 2}" rx="3"/>'
            f'<text x="{x + side / 2}" y="{y + side / 2 + 4}" text-anchor="middle">'
            f'{share:.2f}</text></g>'
        )
    return ''.join([*out, '</svg>'])


def barrier_picture(
    folder: pathlib.Path,
    groups: Mapping[str, Mapping[str, Point]],
    *,
    title: str,
    note: str,
    chance: float,
) -> None:
    """Writes barrier.png and barrier.svg: accuracy by language and model, with intervals."""
    series = list(dict.fromkeys(name for points in groups.values() for name in points))
    width = max(8.4, 0.5 * len(groups) * (1 + 0.25 * len(series)))
    figure, axes = plt.subplots(figsize=(width, 3.9), layout='constrained')
    step = 0.8 / len(series)
    for number, name in enumerate(series):
        shown = [(i, points[name]) for i, points in enumerate(groups.values()) if name in points]
        values = [100 * p.value for _, p in shown]
        bars = [
            [100 * (p.value - p.low) for _, p in shown],
            [100 * (p.high - p.value) for _, p in shown],
        ]
        axes.bar(
            [i - 0.4 + step * (number + 0.5) for i, _ in shown],
            values,
            step * 0.92,
            yerr=bars,
            color=COLOURS[number % len(COLOURS)],
            error_kw={'ecolor': '#1f2937', 'elinewidth': 1, 'capsize': 2},
            label=name,
        )
    axes.axhline(100 * chance, color='#9ca3af', linestyle='--', linewidth=1)
    axes.text(  # beside the bars, which it would overprint
        1.005,
        100 * chance,
        'guessing',
        transform=axes.get_yaxis_transform(),
        va='center',
        color='#6b7280',
        fontsize=8,
    )
    # Long names are broken at spaces, and turned where they would still touch.
    names = [textwrap.fill(name, 14) for name in groups]
    room = 13 * width / len(groups)  # letters that fit below a group
    turned = any(len(line) > room for name in names for line in name.splitlines())
    turn: dict[str, Any] = {'rotation': 35, 'ha': 'right', 'rotation_mode': 'anchor'}
    axes.set_xticks(range(len(groups)), names, parse_math=False, **(turn if turned else {}))
    axes.set_ylabel('right answers, %')
    axes.set_ylim(0, 100)
    # Above the legend, which is above the bars.
    axes.set_title(title, loc='left', fontsize=11, pad=24, parse_math=False)
    axes.spines[['top', 'right']].set_visible(False)
    legend = axes.legend(
        frameon=False, fontsize=9, loc='lower right', bbox_to_anchor=(1, 1), ncols=4
    )
    for label in legend.get_texts():
        label.set_parse_math(False)
    figure.supxlabel(note, fontsize=8, color='#6b7280', parse_math=False)
    for kind in ('png', 'svg'):
        buffer = io.BytesIO()
        # Without date and random ids the same run gives the same bytes.
        with plt.rc_context({'svg.hashsalt': 'xlbarrier'}):
            extra = {'metadata': {'Date': None}} if kind == 'svg' else {'dpi': 150}
            figure.savefig(buffer, format=kind, **extra)
        write_atomic(folder / f'barrier.{kind}', buffer.getvalue())
    plt.close(figure)


def _open(width: int, height: float, title: str, *, natural: bool = False) -> str:
    """The start of a drawing, as wide as the page, or of its natural size."""
    size = f' style="width: {width}px; min-width: 0; max-width: none"' if natural else ''
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height:.0f}"{size}'
        f' preserveAspectRatio="xMinYMin meet"><title>{escape(title)}</title>'
    )


def round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers that cover a range: multiples of 1, 2 or 5 times a power of ten."""
    locator = ticker.MaxNLocator(nbins=6, steps=[1, 2, 5, 10])
    return [float(tick) for tick in locator.tick_values(low, high)]


def _digits(step: float) -> int:
    """Decimals that a multiple of a step needs."""
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _label_width(labels: Iterable[str]) -> int:
    """Room for labels at the left, in pixels: wide scripts take about two thirds of an em."""
    return min(260, 26 + round(6.6 * max(map(len, labels), default=0)))

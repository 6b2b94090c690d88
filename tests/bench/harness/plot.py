"""The table as a picture: for each goal the ratio over what is wanted, on a logarithmic axis."""
from html import escape
from math import log10

from .table import number

LEFT, WIDTH, RIGHT, ROW, TOP = 300, 420, 200, 17, 58


def svg(judged, result):
    """Every goal as a bar from least to greatest with its median; what is right of the line is better than wanted."""
    # How many times better than wanted: 1 is just met.
    found = [(one, *sorted(better(one, value) for value in (one.least, one.most)), better(one, one.middle))
             for one in judged if one.goal.limit is not None]
    if not found:
        return '<svg xmlns="http://www.w3.org/2000/svg"/>\n'
    low = min(0.5, *(one[1] for one in found))
    high = max(10, *(one[2] for one in found))

    def x(value):
        return LEFT + WIDTH * (log10(value) - log10(low)) / (log10(high) - log10(low))
    height = TOP + ROW * len(found) + 12
    about = result['about']
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="10" y="18" font-size="13" font-weight="bold">How many times better than wanted '
           '(median, least and greatest of the rounds)</text>',
           f'<text x="10" y="34" fill="#555">{escape(about["date"])}, commit {escape(str(about["commit"]))}, '
           f'{escape(about["machine"])}, {result["rounds"]} rounds</text>']
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if low <= tick <= high:
            strong = tick == 1
            out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 4}" y2="{height - 8}" '
                       f'stroke="{"#000" if strong else "#ddd"}"/>'
                       f'<text x="{x(tick):.1f}" y="{TOP - 8}" text-anchor="middle" fill="#555">{tick:g}×</text>')
    for at, (one, least, most, middle) in enumerate(found):
        y = TOP + ROW * at + ROW / 2
        colour = '#2a7f3f' if one.met else '#c0392b'
        goal = one.goal
        beside = f' / {one.other}' if goal.other else ''
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(goal.scenario)}, {escape(goal.unit)}</text>'
                   f'<line x1="{x(least):.1f}" x2="{x(most):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
                   'stroke-width="3" stroke-opacity=".45"/>'
                   f'<circle cx="{x(middle):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
                   f'<text x="{LEFT + WIDTH + 10}" y="{y + 4:.1f}" fill="#333">{number(one.middle)}{escape(beside)} '
                   f'({"≥" if goal.at_least else "≤"} {number(goal.limit)})</text>')
    return '\n'.join(out) + '\n</svg>\n'


def better(one, value):
    ratio = value / one.goal.limit if one.goal.at_least else one.goal.limit / max(value, 1e-9)
    return min(max(ratio, 0.05), 1000)

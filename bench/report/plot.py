"""Line plots as SVG, made of text: no library, the same picture from the same numbers."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce")


def nice(most, count=5):
    """Round steps from 0 to at least `most`."""
    raw = max(most, 1e-9) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= raw)
    ticks = [0.0]
    while ticks[-1] < most:
        ticks.append(ticks[-1] + step)
    return ticks


def number(value):
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    if value >= 1e3:
        return f"{value / 1e3:g} k"
    return f"{value:g}"


def plot(title, x_name, y_name, series, marks=()):
    """series: [(name, [(x, y), ...]), ...]; marks: [(x, text)]. Answers the SVG."""
    points = [point for _, line in series for point in line]
    xs = nice(max(x for x, _ in points))
    ys = nice(max(y for _, y in points))

    def at(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / xs[-1], HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / ys[-1])

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
           f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="14">{escape(title)}</text>']
    for x in xs:
        left, base = at(x, 0)
        out.append(f'<path d="M{left:.1f} {TOP}V{base:.1f}" stroke="#eee"/><text x="{left:.1f}" y="{base + 16:.1f}" '
                   f'text-anchor="middle">{number(x)}</text>')
    for y in ys:
        left, base = at(0, y)
        out.append(f'<path d="M{left:.1f} {base:.1f}H{WIDTH - RIGHT}" stroke="#eee"/><text x="{left - 6:.1f}" '
                   f'y="{base + 4:.1f}" text-anchor="end">{number(y)}</text>')
    for x, text in marks:
        left, base = at(x, 0)
        out.append(f'<path d="M{left:.1f} {TOP}V{base:.1f}" stroke="#999" stroke-dasharray="4 3"/>'
                   f'<text x="{left + 3:.1f}" y="{TOP + 10}" fill="#666">{escape(text)}</text>')
    for index, (name, line) in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{'L' if i else 'M'}{at(*point)[0]:.1f} {at(*point)[1]:.1f}" for i, point in enumerate(line))
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at(*point)[0]:.1f}" cy="{at(*point)[1]:.1f}" r="3" fill="{colour}"/>' for point in line]
        out.append(f'<rect x="{LEFT + 10 + 160 * index}" y="{TOP - 12}" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{LEFT + 24 + 160 * index}" y="{TOP - 3}">{escape(name)}</text>')
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_name)}</text>'
               f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text></svg>')
    return "\n".join(out) + "\n"

"""The icons of the list, drawn in pixels, so that they look the same with every font and theme."""

import tkinter as tk

SIZE = 16
COLOURS = {
    "created": "#1e8449",
    "updated": "#2471a3",
    "deleted": "#c0392b",
    "revision": "#7d3c98",
    "job": "#b9770e",
    "other": "#7f8c8d",
    "gap": "#c0392b",
}
# Rectangles in white on a disc: x, y, x, y.
SIGNS: dict[str, list[tuple[int, int, int, int]]] = {
    "created": [(7, 4, 9, 12), (4, 7, 12, 9)],
    "updated": [(4, 5, 12, 7), (4, 9, 12, 11)],
    "deleted": [(4, 7, 12, 9)],
    "revision": [(7, 5, 9, 12), (6, 5, 10, 7), (5, 6, 11, 8)],
    "job": [(5, 5, 7, 11), (7, 6, 9, 10), (9, 7, 11, 9)],
    "other": [(7, 7, 9, 9)],
    "gap": [(7, 3, 9, 9), (7, 11, 9, 13)],
}


def make_icons(root: tk.Misc) -> dict[str, tk.PhotoImage]:
    """An icon for each name of words.icon_of."""
    return {name: _draw(root, colour, SIGNS[name]) for name, colour in COLOURS.items()}


def _draw(root: tk.Misc, colour: str, sign: list[tuple[int, int, int, int]]) -> tk.PhotoImage:
    image = tk.PhotoImage(master=root, width=SIZE, height=SIZE)
    middle, radius = (SIZE - 1) / 2, SIZE / 2
    for y in range(SIZE):
        half = int((radius**2 - (y - middle) ** 2) ** 0.5)
        image.put(colour, to=(SIZE // 2 - half, y, SIZE // 2 + half, y + 1))
    for x0, y0, x1, y1 in sign:
        image.put("white", to=(x0, y0, x1, y1))
    return image

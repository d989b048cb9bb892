"""The pane below the list: an item with its revisions."""

import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from sluice_client import Item, Revision


class Details:
    """`part` is the part number that it shows or loads; "" at first."""

    def __init__(self, parent: tk.Misc) -> None:
        self.part = ""
        self.frame = ttk.Frame(parent, padding=8)
        self._title = ttk.Label(self.frame, text="Click a change to see its item.", font=("TkDefaultFont", 11, "bold"))
        self._title.pack(anchor="w")
        self._text = ttk.Label(self.frame, wraplength=700)
        self._text.pack(anchor="w", pady=(2, 6))
        self._revisions = ttk.Treeview(self.frame, columns=("by", "at", "comment"), height=5)
        for column, title, width in (("#0", "Revision", 80), ("by", "By", 130), ("at", "At (UTC)", 170), ("comment", "Comment", 350)):
            self._revisions.heading(column, text=title, anchor="w")
            self._revisions.column(column, width=width, stretch=column == "comment")
        self._revisions.pack(fill="both", expand=True)

    def loading(self, part: str) -> None:
        """Says that the item is on its way, unless it is there already."""
        if part != self.part:
            self._clear(part, "Loading…")
        self.part = part

    def failed(self, part: str, reason: str) -> None:
        """Says why there is nothing to see, such as for an item that was deleted."""
        if part == self.part:
            self._clear(part, reason)

    def show(self, item: Item, revisions: Sequence[Revision]) -> None:
        """Shows an item, unless another one was chosen meanwhile."""
        if item["part_number"] != self.part:
            return
        self._clear(f"{self.part}, revision {item['revision']}", f"{item['item_type']}: {item['description']}")
        for each in revisions:
            at = each["at"][:19].replace("T", " ")
            self._revisions.insert(
                "", "end", text=str(each["revision_number"]), values=(each["actor"], at, each["comment"])
            )

    def _clear(self, title: str, text: str) -> None:
        self._title.configure(text=title)
        self._text.configure(text=text)
        self._revisions.delete(*self._revisions.get_children())

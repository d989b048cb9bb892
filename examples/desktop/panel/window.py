"""The window: the list of changes, the connection, the filter, the badge and the details. Nothing in it waits for the network."""

import queue
import time
import tkinter as tk
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tkinter import ttk
from typing import Any

from sluice_client import Client, SluiceError, State

from .details import Details
from .diary import Diary
from .following import Arrived, Connection, Following, Loaded, Message, Stopped, load_items
from .history import GAP, Change, History
from .icons import make_icons
from .words import FILTERS, ago, icon_of, is_shown, state_text, subject_of, text_of, utc_now

TITLE = "Database Activity"
LONGEST_LIST = 500
DRAIN_MS = 50
MOST_AT_ONCE = 200
TICK_MS = 1_000


class Panel:
    """States of its connection: those of the feed, and `refused` until the user connects again."""

    def __init__(self, root: tk.Tk, client: Client, path: Path, diary: Diary) -> None:
        self._root = root
        self._client = client
        self._diary = diary
        self._history = History(path)
        self._messages: queue.Queue[Message] = queue.Queue()
        self._workers = ThreadPoolExecutor(2, "request")
        self._changes: dict[str, Change] = {}
        self._descriptions: dict[str, str] = {}
        self._is_loading = False
        self._state = State("connecting")
        self._retry_at = 0.0
        self._refusal: str | None = None
        self._icons = make_icons(root)
        self._build()
        for change in self._history.newest(LONGEST_LIST):
            self._show(change)
        self._count()
        self._following = Following(client, path, self._messages)
        self._following.start()
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.after(0, self._drain)
        root.after(0, self._tick)

    def close(self) -> None:
        """Ends the feed after its last change was kept, then the window."""
        self._following.close()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._history.close()
        self._root.destroy()

    def _build(self) -> None:
        self._root.title(TITLE)
        bar = ttk.Frame(self._root, padding=(8, 6))
        bar.pack(fill="x")
        self._lamp = tk.Canvas(bar, width=12, height=12, highlightthickness=0)
        self._lamp.pack(side="left")
        self._connection = ttk.Label(bar)
        self._connection.pack(side="left", padx=(4, 8))
        self._again = ttk.Button(bar, text="Connect now", command=self._connect)
        self._filter = ttk.Combobox(bar, values=list(FILTERS), state="readonly", width=12)
        self._filter.set(next(iter(FILTERS)))
        self._filter.bind("<<ComboboxSelected>>", lambda _: self._refill())
        self._filter.pack(side="right")
        self._mark = ttk.Button(bar, text="Mark all as seen", command=self._mark_all)
        self._mark.pack(side="right", padx=8)
        self._badge = tk.Label(bar, fg="white", bg="#c0392b", padx=6)
        # Below the bar: in it, a long reason would push the buttons out of the window.
        self._bar = bar
        self._why = ttk.Label(self._root, padding=(8, 0, 8, 6))
        self._why.bind("<Configure>", lambda shown: self._why.configure(wraplength=shown.width - 16))
        panes = ttk.PanedWindow(self._root, orient="vertical")
        panes.pack(fill="both", expand=True)
        self._list = self._make_list(panes)
        self._details = Details(panes)
        panes.add(self._details.frame, weight=1)

    def _make_list(self, panes: ttk.PanedWindow) -> ttk.Treeview:
        frame = ttk.Frame(panes)
        panes.add(frame, weight=3)
        style = ttk.Style(self._root)
        if self._root.tk.call("tk", "windowingsystem") == "x11":
            style.theme_use("clam")
        style.configure("Treeview", rowheight=24)
        table = ttk.Treeview(frame, columns=("change", "actor", "ago"), selectmode="browse")
        for column, title, width in (("#0", "Item", 170), ("change", "Change", 380), ("actor", "By", 110), ("ago", "When", 70)):
            table.heading(column, text=title, anchor="w")
            table.column(column, width=width, stretch=column == "change")
        scroll = ttk.Scrollbar(frame, command=table.yview)
        table.configure(yscrollcommand=scroll.set)
        scroll.pack(side="right", fill="y")
        table.pack(fill="both", expand=True)
        table.tag_configure("unseen", font=("TkDefaultFont", 10, "bold"))
        table.tag_configure(GAP, foreground="#c0392b")
        table.bind("<<TreeviewSelect>>", lambda _: self._open())
        self._empty = ttk.Label(table, text="No changes to show.", foreground="#7f8c8d", background="white")
        self._empty.place(relx=0.5, rely=0.4, anchor="center")
        return table

    def _drain(self) -> None:
        """Takes what the other threads have said; not too much at once, so that the window stays alive in a flood."""
        messages: list[Message] = []
        while len(messages) < MOST_AT_ONCE and not self._messages.empty():
            messages.append(self._messages.get_nowait())
        for message in messages:
            match message:
                case Arrived(change):
                    self._arrived(change)
                case Connection(state):
                    self._connected(state)
                case Stopped(reason):
                    self._refusal = reason
                    self._show_connection()
                case Loaded(descriptions):
                    self._descriptions = descriptions
                    self._refill()
        if messages and self._diary.is_kept:
            self._tell_places()
        self._root.after(DRAIN_MS, self._drain)

    def _arrived(self, change: Change) -> None:
        if change.type == "item.created":
            self._descriptions[subject_of(change.data)] = str(change.data.get("description", ""))
        self._show(change)
        self._count()
        if change.type in ("revision.created", "item.created"):
            self._later(lambda: self._find_actor(change))
        if self._details.part and self._details.part == subject_of(change.data):
            self._load_details(self._details.part)

    def _show(self, change: Change) -> None:
        row = str(change.n)
        self._changes[row] = change
        while len(self._changes) > LONGEST_LIST:
            oldest = next(iter(self._changes))
            del self._changes[oldest]
            if self._list.exists(oldest):
                self._list.delete(oldest)
        if self._insert(change):
            self._diary.write(shown=change.id, text=text_of(change.type, change.data, self._descriptions))

    def _insert(self, change: Change) -> bool:
        """Whether the filter lets it into the list."""
        row = str(change.n)
        if self._list.exists(row) or not is_shown(self._filter.get(), change.type):
            return False
        self._list.insert("", 0, row, **self._row(change))
        self._empty.place_forget()
        return True

    def _row(self, change: Change) -> dict[str, Any]:
        tags = [tag for tag, holds in (("unseen", not change.seen), (GAP, change.type == GAP)) if holds]
        text = text_of(change.type, change.data, self._descriptions)
        return {
            "text": f" {subject_of(change.data)}",
            "image": self._icons[icon_of(change.type)],
            "values": (text, change.actor or "", ago(change.at, utc_now())),
            "tags": tags,
        }

    def _refill(self) -> None:
        self._list.delete(*self._list.get_children())
        self._empty.place(relx=0.5, rely=0.4, anchor="center")
        for change in self._changes.values():
            self._insert(change)
        self._diary.write(filter=self._filter.get(), rows=len(self._list.get_children()))

    def _update(self, change: Change) -> None:
        row = str(change.n)
        if row in self._changes:
            self._changes[row] = change
            if self._list.exists(row):
                self._list.item(row, **self._row(change))

    def _open(self) -> None:
        for row in self._list.selection():
            change = self._changes[row]
            if not change.seen:
                self._history.mark_seen(change.n)
                self._update(replace(change, seen=True))
                self._count()
            if change.type.startswith(("item.", "revision.")):
                self._load_details(subject_of(change.data))

    def _load_details(self, part: str) -> None:
        self._details.loading(part)

        def load() -> Any:
            try:
                loaded = self._client.items.get(part), self._client.items.revisions(part, limit=50)
            except SluiceError as error:
                return lambda reason=str(error): self._details.failed(part, reason)

            def show() -> None:
                self._details.show(*loaded)
                self._diary.write(details=part, revisions=len(loaded[1]))

            return show

        self._later(load)

    def _find_actor(self, change: Change) -> Any:
        """The event does not say who released a revision; the revision does. The first one is that of the creation."""
        revisions = self._client.items.revisions(subject_of(change.data), limit=50)
        number = change.data.get("revision_number", 1)
        actor = next((each["actor"] for each in revisions if each["revision_number"] == number), None)

        def known() -> None:
            if actor:
                self._history.name_actor(change.n, actor)
                self._update(replace(self._changes.get(str(change.n), change), actor=actor))
                self._diary.write(actor=actor, of=change.id)

        return known

    def _later(self, work: Any) -> None:
        """Does work in another thread, and then what it returns in this one."""
        future = self._workers.submit(work)

        def look() -> None:
            if not future.done():
                self._root.after(DRAIN_MS, look)
            elif not future.exception():
                future.result()()

        self._root.after(DRAIN_MS, look)

    def _connected(self, state: State) -> None:
        self._state, self._refusal = state, None
        self._retry_at = time.monotonic() + state.retry_in_s
        self._show_connection()
        if state.name == "live" and not self._descriptions and not self._is_loading:
            self._is_loading = True
            self._later(lambda: load_items(self._client, self._messages.put) and (lambda: None))

    def _connect(self) -> None:
        self._refusal = None
        self._following.start()

    def _show_connection(self) -> None:
        text, colour, why = state_text(self._state, self._refusal, self._retry_at - time.monotonic())
        if (text, why) != (self._connection.cget("text"), self._why.cget("text")):
            self._connection.configure(text=text)
            self._why.configure(text=why)
            if why:
                self._why.pack(fill="x", after=self._bar)
            else:
                self._why.pack_forget()
            self._lamp.delete("all")
            self._lamp.create_oval(1, 1, 11, 11, fill=colour, outline="")
            self._diary.write(connection=f"{text}: {why}" if why else text)
        if self._refusal or self._state.name == "waiting":
            self._again.pack(side="left", after=self._connection)
        else:
            self._again.pack_forget()

    def _tick(self) -> None:
        """Once a second: the seconds until the next try, and the relative times."""
        self._show_connection()
        now = utc_now()
        for row in self._list.get_children():
            when = ago(self._changes[row].at, now)
            if self._list.set(row, "ago") != when:
                self._list.set(row, "ago", when)
        self._root.after(TICK_MS, self._tick)

    def _count(self) -> None:
        unseen = self._history.unseen()
        self._root.title(f"({unseen}) {TITLE}" if unseen else TITLE)
        self._badge.configure(text=str(unseen))
        if unseen:
            self._badge.pack(side="right")
        else:
            self._badge.pack_forget()
        self._diary.write(unseen=unseen, title=self._root.title())

    def _mark_all(self) -> None:
        self._history.mark_seen()
        for change in list(self._changes.values()):
            if not change.seen:
                self._update(replace(change, seen=True))
        self._count()

    def _tell_places(self) -> None:
        """Writes into the diary where on the screen the rows and the button are, for tests that click."""
        self._root.update_idletasks()
        left, top = self._list.winfo_rootx(), self._list.winfo_rooty()
        for row in self._list.get_children():
            if box := self._list.bbox(row):
                x, y, _, height = box
                self._diary.write(text=self._list.set(row, "change"), at=(left + x + 50, top + y + height // 2))
        for text, control in (("Connect now", self._again), ("Mark all as seen", self._mark), ("filter", self._filter)):
            if control.winfo_ismapped():
                self._diary.write(text=text, at=(control.winfo_rootx() + 9, control.winfo_rooty() + 9))

"""Judge passages of your own documents, and see whether reranking helps on them (lesson
14).
"""

import html
import itertools
import os
import random
from collections.abc import Iterable
from pathlib import Path

from qrr_lib.course.judgements import rankings, write_judged
from qrr_lib.embed.collection import read_queries
from qrr_lib.embed.qrels import read_qrels
from qrr_lib.learn.comparison import Comparison, compare
from qrr_lib.rank.metrics import best_first

GRADES = ("0 no", "1 touches it", "2 answers in part", "3 answers it")
HOW_MANY = (
    "Judge whole queries: 25 of them reveal a difference of about 0.1 in nDCG, and "
    "half of that takes four times as many"
)


class Judging:
    """Grade the passages that several rankings found, blind to which one found them.

    Parameters
    ----------
    folder : path
        Where queries.jsonl and qrels/test.tsv are kept, in BEIR's layout. Each grade is
        saved at once; what the folder holds already is not asked for again.
    queries : list of str
        Questions that you would really ask.
    index : Index
        Its rankings by cosine, by words, by both and by the mix are to be compared.
    depth : int
        So many passages of each ranking are judged, and compared by nDCG@depth.

    The last line of a cell shows it. Click, or put the cursor into the field and type 0
    to 3, or b to go back; Tab and Enter reach the buttons, too.
    """

    def __init__(
        self, folder: str | os.PathLike, queries: Iterable[str], index, depth: int = 5
    ):
        self.folder, self.depth = Path(folder), depth
        self.queries, self.grades = self._resumed(queries)
        self.runs = rankings(index, self.queries)
        pool = [(query, key) for query in self.queries for key in self._pool(query)]
        self.texts = index.texts({key for _, key in pool})
        self.pool, self.place = pool, 0
        self._forward()

    def _resumed(self, queries: Iterable[str]):
        """{query id: text}, and the grades that the folder holds."""
        known, grades = {}, {}
        if (self.folder / "queries.jsonl").is_file():
            known = read_queries(self.folder / "queries.jsonl")
        if (self.folder / "qrels" / "test.tsv").is_file():
            grades = read_qrels(self.folder / "qrels" / "test.tsv")
        taken = {text: key for key, text in known.items()}
        free = (f"q{n}" for n in itertools.count(1) if f"q{n}" not in known)
        for text in queries:
            if text not in taken:
                taken[text] = next(free)
        return {key: text for text, key in taken.items()}, grades

    def _pool(self, query: str) -> list[str]:
        """What the rankings have among their first, in an order that tells nothing."""
        best = (
            best_first(run.get(query, {}))[: self.depth] for run in self.runs.values()
        )
        pool = sorted(set().union(*best))
        random.Random(query).shuffle(pool)
        return pool

    def _judged(self, place: int) -> bool:
        query, key = self.pool[place]
        return key in self.grades.get(query, {})

    def _forward(self) -> None:
        """Go on to the next passage that has no grade."""
        while self.place < len(self.pool) and self._judged(self.place):
            self.place += 1

    @property
    def now(self) -> tuple[str, str] | None:
        """(query id, passage id) that is to be judged; None when all are."""
        return self.pool[self.place] if self.place < len(self.pool) else None

    def grade(self, grade: int) -> None:
        """Grade the passage that is shown, 0 to 3, save, and go on to the next."""
        if grade not in range(4):
            raise ValueError(f"a passage gets 0, 1, 2 or 3, not {grade!r}")
        if not self.now:
            raise ValueError("all passages are judged: go back to change a grade")
        query, key = self.now
        self.grades.setdefault(query, {})[key] = int(grade)
        write_judged(self.folder, self.queries, self.grades)
        self._forward()

    def back(self) -> None:
        """Show the passage before, to grade it again."""
        self.place = max(0, self.place - 1)

    def qrels(self) -> dict[str, dict[str, int]]:
        """{query id: {passage id: grade}} of the queries whose passages are all
        judged.
        """
        left = {self.pool[i][0] for i in range(len(self.pool)) if not self._judged(i)}
        return {q: self.grades[q] for q, _ in self.pool if q not in left}

    def compare(self, one: str, other: str) -> Comparison:
        """Compare two rankings by name on the queries that are judged (lesson 08)."""
        runs = (self.runs[name] for name in (one, other))
        return compare(*runs, self.qrels(), f"nDCG@{self.depth}")

    def __str__(self) -> str:
        done = sum(map(self._judged, range(len(self.pool))))
        said = f"{done} of {len(self.pool)} passages judged, all of {len(self.qrels())}"
        return f"{said} of {len(self.queries)} queries. {HOW_MANY}."

    def text(self) -> str:
        """The query and the passage that is shown, as HTML."""
        if not self.now:
            return f"<p role='status'>Done. {self}</p>"
        query, key = self.now
        passage = self.texts[key]
        said = (self.queries[query], passage.title, passage.text, str(self))
        asked, title, text, state = map(html.escape, said)
        return (
            f"<div role='status'><p><strong>{asked}</strong></p><p><em>{title}</em></p>"
            f"<p style='white-space: pre-wrap'>{text}</p></div><p>{state}</p>"
        )

    def widget(self):
        """The widget: query and passage, four buttons and back, a field for keys."""
        import ipywidgets

        shown = ipywidgets.HTML(self.text())
        label = "Type 0, 1, 2 or 3; b: back"
        wide = {"description_width": "initial"}
        field = ipywidgets.Text(description=label, style=wide)

        def press(key: str) -> None:
            if key == "b":
                self.back()
            elif key in "0123" and self.now:
                self.grade(int(key))
            shown.value = self.text()

        def typed(change) -> None:
            for key in change.new.strip():
                press(key)
            field.value = ""

        buttons = []
        for name in (*GRADES, "back"):
            button = ipywidgets.Button(description=name, tooltip=f"Grade: {name}")
            button.on_click(lambda button: press(button.description[0]))
            buttons.append(button)
        field.observe(typed, "value")
        return ipywidgets.VBox([shown, ipywidgets.HBox(buttons), field])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget())

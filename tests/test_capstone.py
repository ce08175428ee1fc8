"""Lesson 14 on a folder that is not the course's: its own cells, from nothing to a
verdict, a served answer and a server.
"""

import json

import nbformat
import pytest

import notebooks

pytest.importorskip("qdrant_edge")
pytest.importorskip("qdrant_client")

NOTES = {  # title: text, question
    "Sourdough": ("Feed it flour and water daily.", "What does the bread pet eat?"),
    "Bicycle": ("The chain wants oil every 300 km.", "When do I grease the bike?"),
    "Heating": ("Bleed radiators in October.", "Why does the heater gurgle?"),
    "Passport": ("It runs out after ten years.", "How long may I travel on it?"),
    "Tomatoes": ("Water at the root, never the leaf.", "How do I keep blight away?"),
    "Piano": ("The tuner comes in spring.", "Who mends the flat notes?"),
    "Bees": ("Look for the queen on warm days.", "When may I open the hive?"),
    "Stars": ("Orion stands in the south at New Year.", "Which winter figure shines?"),
}


def other_folder(space: dict) -> None:
    """What the lesson's cells tagged `folder` make, of other files and questions."""
    from qrr_lib import load_collection

    docs = space["Path"]("docs")
    docs.mkdir()
    rows = [{"id": t, "title": t, "text": text} for t, (text, _) in NOTES.items()]
    (docs / "rows.jsonl").write_text(
        "\n".join(map(json.dumps, rows[:4])), encoding="utf-8"
    )
    for row in rows[4:]:
        page = f"# {row['title']}\n\n{row['text']}"
        (docs / f"{row['title']}.md").write_text(page, encoding="utf-8")
    (docs / "letter.txt").write_bytes(b"\xe9")
    answers = {question: text for text, question in NOTES.values()}
    space["questions"] = list(answers)
    space["read"] = lambda asked, passage: 3 * (answers[asked] in passage.text)
    # the section on one inner product is about the course's passages
    space |= {"docs": docs, "corpus": load_collection("course")}


def test_the_lesson_works_on_another_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("QRR_MODEL", "all-MiniLM-L6-v2")
    monkeypatch.chdir(tmp_path)
    path = next(p for p in notebooks.lessons() if p.name.startswith("14"))
    space: dict = {"__name__": "lesson"}
    for cell in nbformat.read(path, as_version=4).cells:
        tags = notebooks.tags(cell)
        if "folder" in tags and "docs" not in space:
            other_folder(space)
        elif cell.cell_type == "code" and not {"folder", "check"} & set(tags):
            exec(compile(cell.source, path.stem, "exec"), space)
    index = space["index"]
    try:
        assert len(index) == len(NOTES) == len(space["pieces"])
        assert space["written"] == 0 and "not UTF-8" in capsys.readouterr().out
        assert set(space["judging"].qrels()) == set(space["judging"].queries)
        gain = space["ours"]
        assert gain.n == len(NOTES) and gain.low <= gain.difference <= gain.high
        assert space["same"] == len(NOTES) and space["answer"].status_code == 200
        assert {hit.id for hit in index.search("bread", k=9)} == set(index.ids())
    finally:
        index.close()

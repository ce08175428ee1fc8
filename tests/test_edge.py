"""What `qrr export --edge` writes reranks where PyTorch cannot be imported."""

import json
import subprocess
import sys
import textwrap

import pytest

from qrr_lib import QubitMap, Reranker, Scorer, TextEmbedder, load_collection
from qrr_lib.course import cli
from qrr_lib.serve import export_edge

LIGHT = "all-MiniLM-L6-v2"
QUESTION = "Why does a ranking by inner product favour long vectors?"


def test_the_exported_folder_ranks_as_the_library_does_in_int8(tmp_path):
    folder = export_edge(tmp_path / "edge", LIGHT)
    documents = load_collection().texts()[:12]
    script = textwrap.dedent("""
        import json, sys
        for name in ("torch", "transformers", "sentence_transformers", "qrr_lib"):
            sys.modules[name] = None  # an import of it fails
        sys.path.insert(0, sys.argv[1])
        from rerank import EdgeReranker
        query, documents = json.load(sys.stdin)
        print(json.dumps(EdgeReranker(threads=1).rerank(query, documents)))
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        input=json.dumps([QUESTION, documents]),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    found = dict(json.loads(done.stdout))
    embedder = TextEmbedder(LIGHT, cache=False, precision="int8")
    scorer = Scorer(QubitMap.shipped(LIGHT), per="token")
    ranked = Reranker(embedder, scorer).rank(QUESTION, documents)
    wanted = {one["corpus_id"]: one["score"] for one in ranked}
    assert list(found) == list(wanted)  # the same order
    assert all(abs(found[place] - wanted[place]) < 1e-4 for place in wanted)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size < 60e6


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty: take a new folder"):
        export_edge(tmp_path, LIGHT)
    assert cli.main(["export", "--edge", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

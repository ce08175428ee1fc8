# Every target starts from nothing: it makes .venv/, installs what it needs, fetches and verifies the model, then does its work.
# Settings: PYTHON=python3.12, TORCH_INDEX=<address of a PyTorch wheel index, see README>, QRR_MODEL=all-MiniLM-L6-v2 (light mode).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lab bench bench-faiss bench-corpus measure lint clean

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(VENV)/made:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: run make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing the course's packages into $(VENV) (some minutes, once)"
	$(PIP) -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) -e ".[test]"
	@touch $@

demo: $(VENV)/installed      ## answer one question: cosine's ranking beside the reranked one, and nDCG@10 of both
	@$(BIN)/qrr demo

lab: $(VENV)/installed       ## open JupyterLab on lesson 00
	$(BIN)/jupyter lab notebooks/00_welcome.ipynb

test: $(VENV)/installed-test ## unit tests, every lesson and solution, light-mode smoke (under 25 minutes)
	@$(BIN)/qrr models
	$(BIN)/python -m pytest

test-all: $(VENV)/installed-test ## everything: all of the above, light mode for every notebook
	@$(BIN)/qrr models
	$(BIN)/python -m pytest --all

bench: $(VENV)/installed-test ## states per second of every framework, side by side (some minutes; wants a quiet machine)
	$(BIN)/python -m tests.benchmarks.bench_states --threads 1
	$(BIN)/python -m tests.benchmarks.profile_states

bench-faiss: $(VENV)/installed-test ## FAISS indexes on 200,000 vectors: recall, latency, memory, build time
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m tests.benchmarks.bench_faiss

bench-corpus: $(VENV)/installed-test ## where BM25, MiniLM and mpnet go wrong on the course corpus
	$(BIN)/python -m tests.benchmarks.bench_corpus

measure: $(VENV)/installed-test ## time and memory of every lesson, written into README
	$(BIN)/python tools/notebooks.py measure

lint: $(VENV)/installed-test ## style and spelling
	$(BIN)/ruff check qrr_lib tests tools
	$(BIN)/codespell README.md notebooks/*.md data/*.md qrr_lib tests tools

clean:          ## remove the environment (models and cached embeddings stay in ~/.cache/qrr)
	rm -rf $(VENV)

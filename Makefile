# Every target starts from nothing: it makes .venv/, installs what it needs, fetches and verifies the model, then does its work.
# Settings: PYTHON=python3.12, TORCH_INDEX=<address of a PyTorch wheel index, see docs/start.md>, QRR_MODEL=all-MiniLM-L6-v2 (light mode).
# From any folder (make -f): go to the one that this file is in.
HERE := $(shell cd "$$(dirname "$$(printf %s '$(MAKEFILE_LIST)' | sed 's/^ //')")" && pwd -P)
ifneq ($(HERE),$(shell pwd -P))
.DEFAULT_GOAL := help
.PHONY: $(or $(MAKECMDGOALS),help)
$(or $(MAKECMDGOALS),help):
	@$(MAKE) --no-print-directory -C "$(HERE)" $@
else
PYTHON ?= python3
# a path with spaces is one word, "py -3.12" is two
RUN := $(shell command -v "$(PYTHON)" >/dev/null 2>&1 && echo '"$(PYTHON)"' || echo '$(PYTHON)')
VENV := .venv
# An environment knows its own path: one that was copied or moved with the folder would run the original's code.
STALE := $(shell test ! -f $(VENV)/pyvenv.cfg || case "$$(sed -n 's/^command = //p' $(VENV)/pyvenv.cfg)" in (""|*" $(HERE)/$(VENV)") ;; (*) echo stale ;; esac)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
export PYTHONUTF8 := 1
# two files of tests, or two notebooks, at a time: a core each
TWO := -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lab site slides classroom rehearsal faults bench bench-faiss bench-corpus bench-quality bench-tokens bench-compare bench-shots bench-service bench-rag bench-engine bench-precision bench-gpu bench-startup measure format lint clean

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | sort

ifeq ($(STALE),stale)
.PHONY: $(VENV)/made
endif
$(VENV)/made:
	@$(if $(STALE),echo "$(VENV) was made for another folder: making it anew")
	@$(RUN) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: run make PYTHON=python3.12 ...")'
	$(RUN) -m venv $(if $(STALE),--clear) $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing the course's packages into $(VENV) (some minutes, once)"
	$(PIP) -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing the course's packages and those of its tests into $(VENV) (some minutes, once)"
	$(PIP) -e ".[test]"
	@touch $(VENV)/installed $@

demo: $(VENV)/installed      ## answer one question: cosine's ranking beside the reranked one, and nDCG@10 of both
	@$(BIN)/qrr demo

$(VENV)/installed-serve: $(VENV)/installed
	$(PIP) -e ".[serve,engine,quantum]"
	@touch $@

lab: $(VENV)/installed-serve       ## open JupyterLab on lesson 00
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/00_welcome.ipynb

test: $(VENV)/installed-test ## unit tests, every lesson and solution, light-mode smoke (about 15 minutes)
	@$(BIN)/qrr models && $(BIN)/qrr models all-MiniLM-L6-v2 && $(BIN)/qrr models SmolLM2-135M-Instruct
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO)

$(VENV)/installed-browser: $(VENV)/installed-test
	$(PIP) -e ".[test,browser]"
	@command -v chromium || command -v chromium-browser || command -v google-chrome || apt-get install -y --no-install-recommends chromium \
		|| $(BIN)/python -m playwright install chromium || echo "no Chromium: the browser tests will be skipped and say so"
	@touch $@

test-all: $(VENV)/installed-browser ## everything: all of the above, light mode for every notebook, a browser, marks by nbgrader, an offline class, a rehearsal of Binder
	@$(BIN)/qrr models && $(BIN)/qrr models all-MiniLM-L6-v2 && $(BIN)/qrr models SmolLM2-135M-Instruct
	$(BIN)/python -m pytest --all

$(VENV)/installed-site: $(VENV)/installed
	$(PIP) -e ".[serve,engine,site]"
	@touch $@

site: $(VENV)/installed-site   ## the course as a web site, from the stored lessons: build/site/index.html
	$(BIN)/python tools/website.py

slides: $(VENV)/installed-test ## slides of every lesson in build/slides (one lesson: python tools/slides.py 05)
	$(BIN)/python tools/slides.py

classroom: $(VENV)/installed-test ## one folder that installs the course without internet: build/classroom (about 1.4 GB)
	$(BIN)/python tools/classroom.py $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

rehearsal: $(VENV)/installed-test ## Binder on this machine: clean copy, one core, 2 GB, every lesson in light mode
	$(BIN)/python tools/rehearsal.py

faults: $(VENV)/installed-test ## kills, flipped bits, full disks, slow clients: one table of trials (about ten minutes)
	@$(BIN)/qrr models && $(BIN)/qrr models all-MiniLM-L6-v2
	cd tests && ../$(BIN)/python -m faults.campaign

bench: $(VENV)/installed-test ## states per second of every framework, side by side, and gradients (some minutes; wants a quiet machine)
	$(BIN)/python -m tools.bench.states
	$(BIN)/python -m tools.bench.states_profile
	$(BIN)/python -m tools.bench.gradients

bench-faiss: $(VENV)/installed-test ## FAISS indexes on 200,000 vectors: recall, latency, memory, build time
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m tools.bench.indexes

bench-corpus: $(VENV)/installed-test ## where BM25, MiniLM and mpnet go wrong on the course corpus
	$(BIN)/python -m tools.bench.corpus

bench-quality: $(VENV)/installed-test ## every arm, seed and regime: scifact (needs QRR_COLLECTIONS_DIR or ir_datasets) and the course corpus
	$(BIN)/python tools/course_heads.py
	$(BIN)/python -m tools.bench.quality --collection course
	$(BIN)/python -m tools.bench.quality --collection wikiqa --audit-only
	$(BIN)/python -m tools.bench.quality --collection scifact
	$(BIN)/python -m tools.bench.bookmark --collection scifact

bench-tokens: $(VENV)/installed-test ## token states on public collections: quality, twins, bytes, speed beside a cross-encoder (needs QRR_COLLECTIONS_DIR; hours of encoding, once)
	$(BIN)/python -m tools.bench.tokens --choose
	$(BIN)/python -m tools.bench.tokens
	$(BIN)/python -m tools.bench.tokens --course
	$(BIN)/python -m tools.bench.tokens --speed-only
	$(BIN)/python -m tools.bench.maxsim

bench-compare: $(VENV)/installed-test ## words, vectors and token states against the rivals that people would pick (needs QRR_COLLECTIONS_DIR; hours of encoding, once)
	$(BIN)/python -m tools.bench.compare --choose
	$(BIN)/python -m tools.bench.compare --scale
	$(BIN)/python -m tools.bench.compare
	$(BIN)/python -m tools.bench.compare --speed
	$(BIN)/python -m tools.bench.compare --figure

bench-shots: $(VENV)/installed-test ## shots, allocation and noise of lesson 12
	$(BIN)/python -m tools.bench.shots

bench-service: $(VENV)/installed-test ## load on the service, loopback only: throughput, latency, errors, restart
	$(BIN)/python -m tools.bench.service

bench-rag: $(VENV)/installed-test ## what reranking does to answers, and what citations are worth
	$(BIN)/python -m tools.bench.rag
	$(BIN)/python -m tools.bench.answers
	$(BIN)/python -m tools.bench.citations

bench-engine: $(VENV)/installed-test ## an index of one's own: bytes a token, milliseconds a query, passages a second (25 minutes, 4 GB of memory, 6 GB of disk)
	$(BIN)/python -m tools.bench.engine

bench-precision: $(VENV)/installed-test ## the embedder in fp32, bf16 and int8: CPU time, cosine, nDCG@10 (needs QRR_COLLECTIONS_DIR; an hour)
	$(BIN)/python -m tools.bench.precision --speed --model all-MiniLM-L6-v2
	$(BIN)/python -m tools.bench.precision --speed --model all-mpnet-base-v2
	$(BIN)/python -m tools.bench.precision --speed --model all-mpnet-base-v2 --texts 300 --precisions fp32 int8
	$(BIN)/python -m tools.bench.precision --batches
	$(BIN)/python -m tools.bench.precision --quality cranfield --model all-mpnet-base-v2
	$(BIN)/python -m tools.bench.precision --quality cranfield --model all-MiniLM-L6-v2
	$(BIN)/python -m tools.bench.precision --quality cranfield --model all-MiniLM-L6-v2 --precision bf16
	$(BIN)/python -m tools.bench.precision --quality course --model all-mpnet-base-v2 --precision bf16
	$(BIN)/python -m tools.bench.precision --quality course --model all-mpnet-base-v2

bench-startup: $(VENV)/installed-test ## how long commands take to their first answer
	OMP_NUM_THREADS=1 $(BIN)/python -m tools.bench.startup

bench-gpu: $(VENV)/installed-test ## what the course says, checked on a CUDA device, and how fast it is there (under five minutes; without one it says so)
	$(BIN)/python -m tools.bench.gpu

measure: $(VENV)/installed-test ## time and memory of every lesson, written into docs/costs.md
	$(BIN)/python tools/notebooks.py measure

format: $(VENV)/installed-test ## lay code out anew, lessons and solutions included
	$(BIN)/ruff format .
	$(BIN)/python tools/notebooks.py exercises

lint: $(VENV)/installed-test ## style, layout and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell -I tests/spelling_ignore.txt README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md docs/*.md notebooks/*.md notebooks/instructor data/*.md qrr_lib tests tools

clean:          ## remove the environment (models and cached embeddings stay in ~/.cache/qrr)
	rm -rf $(VENV)
endif

# Every line below could be typed by hand. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo features train paper networks test test-all test-faults lint bench bench-train gallery docs clean

PYTHON  ?= python3
BIN     := .venv/bin
DATASET ?= demo
RECIPE  ?= flow
NAME     = $(or $(PROTOCOL),$(DATASET))
STORE   ?= stores/$(NAME)/$(RECIPE).h5
RUN     ?= runs/$(NAME)-$(RECIPE)

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: .venv/ready  ## make .venv with everything merkit needs, at the versions of constraints.txt

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "merkit needs Python 3.11 or 3.12: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt torch==2.13.0
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[features,train,docs,dev]'
	touch $@

demo: setup  ## demo dataset → store → leave-one-subject-out scores, beside their shuffled-label control
	$(BIN)/mer-features run demo
	$(BIN)/mer-train --features stores/demo/flow.h5 -o runs/demo-shuffled --shuffle-labels --force
	$(BIN)/mer-train --features stores/demo/flow.h5 -o runs/demo --force

features: setup  ## make features DATASET=samm ROOT=/data/SAMM [PROTOCOL=…] [RECIPE=flow] [WORKERS=8] [SCHEDULER=tcp://host:8786]
	$(BIN)/mer-features run $(DATASET) --recipe $(RECIPE) $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(ROOT),--root "$(ROOT)") $(if $(WORKERS),--workers $(WORKERS)) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

train: setup  ## make train DATASET=samm [PROTOCOL=…] [RECIPE=flow] [STORE=flow.h5] [RUN=runs/NAME]
	$(BIN)/mer-train --features $(STORE) $(if $(PROTOCOL),--protocol $(PROTOCOL)) -o $(RUN)

# A paper's network; where there is no GPU, its lite size if it has one.
PAPER   ?= artnet
MODEL   ?= $(if $(wildcard /dev/nvidia0),$(PAPER),$(if $(wildcard train/models/$(PAPER)_lite.py),$(PAPER)_lite,$(PAPER)))
ITS_RECIPE = $(shell $(BIN)/python -c "from train.models.base import load; print(load('$(MODEL)').recipe)")
ITS_RUN  = runs/$(NAME)-$(MODEL)
ITS_ARGS = $(if $(PROTOCOL),--protocol $(PROTOCOL)) --force

paper: setup  ## make paper PAPER=artnet DATASET=demo [PROTOCOL=…] [MODEL=artnet]: store, control, scores, baseline, table, pages, audit
	$(BIN)/mer-features run $(DATASET) --recipe $(ITS_RECIPE) --recipe flow $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(ROOT),--root "$(ROOT)")
	$(BIN)/mer-train --features stores/$(NAME)/$(ITS_RECIPE).h5 --model $(MODEL) -o $(ITS_RUN)-shuffled --shuffle-labels $(ITS_ARGS)
	$(BIN)/mer-train --features stores/$(NAME)/$(ITS_RECIPE).h5 --model $(MODEL) -o $(ITS_RUN) $(ITS_ARGS)
	$(BIN)/mer-train --features stores/$(NAME)/flow.h5 --model svm_linear -o runs/$(NAME)-svm_linear $(ITS_ARGS)
	$(BIN)/mer-report table $(ITS_RUN) runs/$(NAME)-svm_linear $(ITS_RUN)-shuffled
	$(BIN)/mer-report page $(ITS_RUN) runs/$(NAME)-svm_linear $(ITS_RUN)-shuffled -o $(ITS_RUN)/comparison.html
	$(BIN)/mer-report audit $(ITS_RUN) --features stores/$(NAME)/$(ITS_RECIPE).h5

test: setup  ## the test suite, a process a core
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

test-all: setup  ## the test suite with the slow tests: the whole demo
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not faults'

test-faults: setup  ## kills, full disks, power cuts, races: every fault test, the long ones too
	$(BIN)/pytest -n auto --dist worksteal -m 'faults or not faults' tests/faults tests/test_store_state.py tests/test_run.py

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: export OPENBLAS_NUM_THREADS = 1
bench: setup  ## accuracy on known motion, peers side by side; what every stage, reading and the whole demo cost
	$(BIN)/python benchmarks/steady.py
	$(BIN)/python benchmarks/apex.py
	$(BIN)/python benchmarks/flow.py
	$(BIN)/python benchmarks/magnify.py
	$(BIN)/python benchmarks/pooling.py
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/warm.py
	$(BIN)/python benchmarks/whole_demo.py

bench-train: setup  ## leave one subject out at MEGC2019's size: fits one by one, in processes, stacked (long: an hour)
	$(BIN)/python benchmarks/first_step.py
	$(BIN)/python benchmarks/training.py

gallery: setup  ## docs/gallery/README.md: a picture of every feature, of one demo clip
	$(BIN)/python docs/gallery.py

networks: setup  ## docs/networks.md: every network on the demo, 5 seeds, beside its control (an hour or more on 2 cores)
	$(BIN)/mer-features run demo $(foreach recipe,flow artnet fr mmnet fdp afn dianet fmanet dynamic htnet classical,--recipe $(recipe))
	$(BIN)/python docs/networks.py

docs: setup  ## docs/_site/index.html: the documentation; a link that leads nowhere, or a command that fails, stops it
	$(BIN)/python -m mkdocs build --strict
	$(BIN)/pytest -m 'slow or not slow' tests/test_docs.py

clean:  ## remove what was made here, but no store and no run
	rm -rf docs/gallery docs/_site .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Each target makes what it needs first: on a fresh machine `make bench` alone is enough.

PYTHON ?= python3
VENV ?= .venv
SUITE ?= quick
PORT ?= 5000
ARTIFACTS ?= mlruns/artifacts
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOKS_READY := $(VENV)/.notebooks
DISTRIBUTED_READY := $(VENV)/.distributed
SWEEP_READY := $(VENV)/.sweep
BACKENDS_READY := $(VENV)/.backends
UI_READY := $(VENV)/.ui
DOCS_READY := $(VENV)/.docs

# The first comparison trains two models side by side, if there are two processors: it ends earlier.
ifeq ($(SUITE)$(TASK)$(ARCH)$(RAY_ADDRESS),quick)
ifneq ($(shell nproc 2> /dev/null),1)
WORKERS ?= 2
endif
endif

# What was chosen on the command line, as options: make bench TASK=sentiment ARCH=lstm,gru
CHOICE = $(if $(TASK),--task $(TASK)) $(if $(ARCH),--arch $(ARCH)) $(if $(SEEDS),--seeds $(SEEDS)) \
         $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(RERUN),--rerun) $(if $(TRIALS),--trials $(TRIALS)) \
         $(if $(WORKERS),--workers $(WORKERS))
WITH_WORKERS := $(if $(WORKERS)$(RAY_ADDRESS),$(DISTRIBUTED_READY))

# Without kept bytecode every process would compile TensorFlow's sources again, for many seconds.
export PYTHONDONTWRITEBYTECODE :=
export NO_GCE_CHECK := true
export MLFLOW_DISABLE_TELEMETRY := true
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help bench sweep ui serve server report presets new notebooks docs test test-backends \
        test-aarch64 test-ui package lint lock clean

help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1  \2/p' $(MAKEFILE_LIST)
	@echo "Choices of bench: SUITE=quick TASK=sentiment,speech ARCH=lstm,gru SEEDS=3 EPOCHS=2 RERUN=1 WORKERS=2"
	@echo "Choices of sweep: the same without RERUN, and TRIALS=20"

bench: $(READY) $(WITH_WORKERS) ## train and compare the models of a suite, log them to MLflow
	@$(BIN)/python -m benchmarks run --suite $(SUITE) $(CHOICE)

sweep: $(SWEEP_READY) $(WITH_WORKERS) ## search for good values of each architecture, train the best again
	@$(BIN)/python -m benchmarks sweep --suite $(SUITE) $(CHOICE)

ui: $(READY) ## open the MLflow UI on the leaderboard of the newest bench
	@$(BIN)/python -m benchmarks ui --port $(PORT)

serve: PORT := 8000
serve: $(READY) ## answer raw input over HTTP with the best model of TASK=sentiment
	@$(BIN)/python -m benchmarks serve --suite $(SUITE) --task "$(TASK)" --port $(PORT)

server: $(DISTRIBUTED_READY) ## start a tracking server on PostgreSQL, for several machines
	@PATH="$(abspath $(BIN)):$$PATH" sh benchmarks/tracking/start_server.sh "$(ARTIFACTS)" $(PORT)

report: $(READY) ## print the tables of a suite, and write them into docs/results and the README
	@$(BIN)/python -m benchmarks report --suite $(SUITE)

presets: $(READY) ## write the models of a suite's finished runs into zoo/presets, or into OUT
	@$(BIN)/python -m benchmarks presets --suite $(SUITE) $(if $(OUT),--out $(OUT))

new: $(READY) ## write a suite for your own data: make new SUITE=my.yaml TASK=sentiment DATA=reviews
	@$(BIN)/python -m benchmarks new $(SUITE) --task $(TASK) --data $(DATA)

notebooks: export PYTHONWARNINGS := ignore:IProgress not found
notebooks: $(NOTEBOOKS_READY) ## run the notebooks again, in place (seven minutes)
	@$(BIN)/python notebooks/run.py

docs: $(DOCS_READY) ## build the documentation site, into site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q --strict

test: $(READY) ## run the tests, several files side by side; or those of ARGS="tests/layers -k gru"
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses logical --maxprocesses 4 --dist loadfile)

test-backends: $(BACKENDS_READY) ## install JAX and torch, and test layers and presets on them
	@for backend in jax torch; do \
	  KERAS_BACKEND=$$backend $(BIN)/python -m pytest $(ARGS) tests/layers/test_layers_of_any_backend.py \
	    tests/layers/kernels/test_on_$$backend.py tests/models/test_presets_of_any_backend.py || exit 1; done

test-aarch64: ## compile the kernels' own checks for aarch64, and run them in QEMU
	@mkdir -p build
	@for check in products recurrence; do \
	  aarch64-linux-gnu-g++ -std=c++17 -O1 -pthread -static -Izoo/layers/kernels \
	    tests/layers/kernels/$${check}_test.cc -o build/$${check}_test && \
	  $$(command -v qemu-aarch64 || command -v qemu-aarch64-static) build/$${check}_test || exit 1; done

package: ## build sdist and wheel into dist, and try the wheel in an empty environment
	@sh tests/package.sh $(PYTHON)

test-ui: $(UI_READY) ## test the pages of MLflow in Chromium, and renew the picture in the docs
	@$(BIN)/python -m pytest -m ui tests/benchmarks/tracking/test_ui.py

lint: $(READY) ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: $(READY) ## renew the pinned versions in constraints.txt
	@$(BIN)/python -m pip install -q uv
	@{ echo "# Versions that the benchmarks ran with, for Python 3.11 and newer. Made by: make lock"; \
	   $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header \
	     --no-emit-index-url --extra benchmarks --extra distributed --extra docs --extra notebooks --extra serve \
	     --extra sweep --extra test --extra ui setup.cfg; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove the environment; data and results stay
	rm -rf $(VENV)

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the pinned dependencies (a few minutes) ..."
	@# Without --use-pep517, pip older than 23.1 warns that promise is installed by setup.py.
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --use-pep517 -c constraints.txt -e '.[benchmarks,serve,test]'
	@echo "Compiling the recurrent kernels, where there is a compiler ..."
	@$(BIN)/python -m zoo.layers.kernels > /dev/null 2>&1 || echo "Could not compile the native kernels; falling back to Keras."
	@touch $@

$(UI_READY): $(READY)
	@command -v chromium > /dev/null || { echo "Chromium is needed, on Debian: apt-get install chromium"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[ui]'
	@touch $@

$(NOTEBOOKS_READY) $(DISTRIBUTED_READY) $(SWEEP_READY) $(BACKENDS_READY) $(DOCS_READY): $(VENV)/.%: $(READY)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[$*]'
	@touch $@

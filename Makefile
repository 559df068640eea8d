# Facet. `make` alone lists what there is to make.

VENV := .venv
# Touched when everything is installed; older than a lock, the locks are installed again.
INSTALLED := $(VENV)/.installed
# `make test` has so many processes; 0 is pytest's own, as a debugger wants it.
TEST_PROCESSES ?= 2

# `python` in dvc.yaml is this project's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Nothing phones home.
export DVC_NO_ANALYTICS := 1
export NO_ALBUMENTATIONS_UPDATE := 1
export WANDB_ERROR_REPORTING := false
export DO_NOT_TRACK := 1

# profiles/NAME as an experiment of DVC, beside `smoke`, which runs in a clone.
PROFILES := gpu paper paper_cvaegan photos photos_and_heads

.PHONY: $(PROFILES) help install repro smoke test soak lint bench ablations summary experiments difference curves stale lock repository

help:
	@echo 'make repro   train and evaluate with params.yaml; what is up to date is not done again'
	@echo 'make smoke   the same stages in one to five minutes, in a temporary clone, to see that everything runs'
	@echo 'make gpu     the settings of profiles/gpu as an experiment of DVC; likewise paper, photos, ... (profiles/README.md)'
	@echo 'make test    all tests but the soak tests, in two processes (TEST_PROCESSES=0: in this one): 36 minutes'
	@echo 'make soak    the soak tests: ten minutes, and six more for compiled networks'
	@echo 'make lint    ruff, mypy and the import contracts'
	@echo 'make bench   the benchmarks, as a table and as JSON'
	@echo 'make ablations   the runs of profiles/ablations.txt, as DVC experiments, and their table: hours'
	@echo 'make summary     the metrics as Markdown (REV=main: and their difference to those committed there)'
	@echo 'make experiments the experiments of DVC, with the figures that say most and the params that differ'
	@echo 'make difference  the same rows between two of them: A=HEAD B=longer (B is the workspace, unless it is set)'
	@echo 'make curves      the page of dvc plots diff of two of them, set like that; it needs the network to be looked at'
	@echo 'make stale   which stages are behind the code and the params'
	@echo 'make lock    requirements.lock from pyproject.toml (UPGRADE=1: the newest versions)'
	@echo 'Each makes $(VENV) first, where it is missing or older than the locks.'

install: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-torch.lock
	@tools/install $(VENV)
	@touch $@

# DVC keeps its place in the git repository whose top this folder is.
repository:
	@if [ "$$(git rev-parse --show-prefix 2>/dev/null; echo $$?)" != "$$(printf '\n0')" ]; then \
		echo "$(CURDIR) is not the top of a git repository, and DVC needs one: clone the project with git, or run" \
			"'git init && git add . && git commit -m Facet' here first." >&2; \
		exit 2; \
	fi

repro: repository $(INSTALLED)
	@dvc repro
	@echo
	@echo 'Metrics   results/*/metrics.json   (table: $(VENV)/bin/dvc metrics show)'
	@echo 'Report    results/report/index.html'
	@echo 'Images    results/synthesize/grid.png'
	@echo 'Runs      look at them here: $(VENV)/bin/wandb leet ./wandb   upload them: docs/tracking.md'
	@echo 'Compare   $(VENV)/bin/python -m pipeline compare'

smoke: repository $(INSTALLED)
	@python tools/smoke.py $(SETTINGS)

# By hand, `dvc exp run $(cat profiles/NAME)` goes on without settings where there is no such name; make knows its targets.
# What is CVAE-GAN's alone stands behind what both papers have; SETTINGS='train.images=8000000' comes last, and counts.
$(PROFILES): repository $(INSTALLED)
	@dvc exp run $$(cat $(if $(filter paper_cvaegan,$@),profiles/paper) profiles/$@) $(addprefix -S ,$(SETTINGS))

# Tests of one file share what they have made, so a file stays in one process; a process has one thread, as tests start more.
test: $(INSTALLED)
	@OMP_NUM_THREADS=1 python -m pytest -m 'not soak' -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

soak: $(INSTALLED)
	@python -m pytest -m soak $(PYTEST_ARGS)

lint: $(INSTALLED)
	@ruff check .
	@mypy
	@lint-imports --no-cache

bench: $(INSTALLED)
	@python -m tools.bench $(BENCH_ARGS)

ablations: repository $(INSTALLED)
	@python -m tools.ablations

summary: repository $(INSTALLED)
	@python -m tools.summary $(if $(REV),--revision '$(REV)') $(if $(RESULTS),--results '$(RESULTS)')

experiments: repository $(INSTALLED)
	@dvc exp show --only-changed --drop '.*/|Created' \
		--keep '(identity/top1|identity/top1_sample|attributes/yaw_error|truth/psnr|realism/fd_judge|val/own_subject)$$'

A := HEAD
difference: repository $(INSTALLED)
	@rows=$$(dvc exp diff '$(A)' $(if $(B),'$(B)') --no-path) || exit; echo "$$rows" \
		| grep -E '^(Metric|Param|(identity|attributes|truth|realism|uncanniness|closed_set|val)/|[a-z]+\.[a-zA-Z_.]+ )' \
		|| echo 'Nothing differs.'

curves: repository $(INSTALLED)
	@dvc plots diff '$(A)' $(if $(B),'$(B)')

stale: repository $(INSTALLED)
	@python -m tools.stale

lock: $(INSTALLED)
	@tools/lock $(if $(UPGRADE),--upgrade)

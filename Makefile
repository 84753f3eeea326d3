# Commands for users and developers; each does its own set-up. `make help` lists them.

PYTHON ?= python3

# Installed where nothing is installed yet: the versions that this project is tested with.
TORCH ?= torch==2.14.1
TORCHVISION ?= torchvision==0.29.1
SETUPTOOLS ?= setuptools>=70.1,<81
# Any pip requirement (a local checkout, a wheel, another URL), or pypi: the Python part of release
# 0.6, from PyPI. Empty: the pinned commit on GitHub, and pypi where that cannot be installed.
DETECTRON2 ?=
# Where `make test-detectron2` installs the other version.
OTHER = build/other-detectron2

# Every command uses the package in this folder, also where another checkout is the installed one.
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

SOURCES = bestie tools datasets tests setup.py

.DEFAULT_GOAL := help
.PHONY: help install doctor demo test test-slow test-detectron2 format clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 25
	@echo "  PYTHON=...        the Python to use (python3)"
	@echo "  DETECTRON2=...    where Detectron2 comes from: a pip requirement, or pypi"

install: ## install what is missing of torch, Detectron2 and the package (editable)
	@$(PYTHON) tools/install.py --torch "$(TORCH)" --torchvision "$(TORCHVISION)" \
		--setuptools "$(SETUPTOOLS)" --detectron2 "$(DETECTRON2)"

doctor: ## check the installation: versions, and whether everything works
	@$(PYTHON) tools/doctor.py

demo: install ## tags -> Mask R-CNN and report on the built-in data, in output/demo/run
	$(PYTHON) datasets/make_shapes.py --output output/demo/shapes --tags-only
	$(PYTHON) tools/run_pipeline.py --data output/demo/shapes --supervision tags \
		--output output/demo/run --preset quick

test: install ## lint, types and the fast tests
	$(PYTHON) -m ruff check $(SOURCES)
	$(PYTHON) -m ruff format --check $(SOURCES)
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

test-slow: install ## the slow tests
	$(PYTHON) -m pytest -m slow --timeout 3600

test-detectron2: install ## the fast tests with the other tested version of Detectron2
	$(PYTHON) tools/other_detectron2.py --folder $(OTHER) --torch "$(TORCH)" \
		--torchvision "$(TORCHVISION)" --setuptools "$(SETUPTOOLS)"
	$(OTHER)/bin/python -m pytest

format: install ## rewrite the sources in the house format
	$(PYTHON) -m ruff check --fix $(SOURCES)
	$(PYTHON) -m ruff format $(SOURCES)

clean: ## caches and build products; output/ and the installed packages stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

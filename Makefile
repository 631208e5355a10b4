# Everything runs in .venv, set up on first use from the hashed pins in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
# Bytecode is kept, or every process would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
NOTEBOOKS := $(patsubst notebooks/%.py,build/notebooks/%.ipynb,$(wildcard notebooks/*.py))
# Where the kernel is compiled, these run once more in Python alone, which says what is right.
REFERENCE := fairshare faults_stateful invariants memory network scenarios_shipped touch twin

.DEFAULT_GOAL := help
.PHONY: help demo test lint verify validation bench studies docs pins clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: .venv/run ## compare ways of draining a rack, and write demo-report
	$(BIN)/dcsim compare rack-drain --jobs 2 --replications 3 --overwrite -o demo-report

test: .venv/develop $(NOTEBOOKS) ## run tests, doctests and notebooks, with coverage
	DCSIM_KERNEL=python $(BIN)/python -m pytest -n auto --cov --cov-report= --cov-fail-under=0 \
		$(REFERENCE:%=tests/test_%.py)
	$(BIN)/python -m pytest -n auto --cov --cov-append --nbmake --nbmake-kernel=python3

lint: .venv/develop ## check style, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

verify: .venv/develop ## check the model against theory, measurements and other simulators
	$(BIN)/python -m tests.verification
	$(BIN)/python -m pytest tests/verification

validation: .venv/develop ## write docs/validation.md anew from those comparisons
	$(BIN)/python -m tests.verification --write

bench: .venv/develop ## measure how fast simulations run: BENCH=--help tells how
	$(BIN)/python -m benchmarks $(BENCH)

studies: .venv/develop ## write docs/operators-compared.md and docs/planners.md anew from runs
	$(BIN)/python -m benchmarks.studies

docs: .venv/develop ## build the documentation into docs/_build
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build

# The pins come in two parts, so that the demo need not wait for the developers' tools.
PIN := uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet
pins: ## renew constraints.txt (needs uv)
	mkdir -p build
	$(PIN) --group build --output-file build/run.txt
	$(PIN) --group dev --all-extras --constraints build/run.txt --output-file build/develop.txt \
		$$(sed -n 's/^\([a-z][^=]*\)==.*/--no-emit-package \1/p' build/run.txt)
	{ cat build/run.txt; echo '# develop'; cat build/develop.txt; } > constraints.txt

clean: ## remove what these targets made, except .venv
	rm -rf build dist demo-report docs/_build .coverage
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find dcsim tests -name __pycache__ -prune -exec rm -rf {} +

.venv/pinned: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	"dcsim needs Python 3.11 or newer, but $(PYTHON) is %d.%d: try make PYTHON=python3.11" % v[:2])'
	@echo 'Setting up .venv: half a minute, once'
	$(PYTHON) -m venv .venv
	sed '/^# develop$$/,$$d' constraints.txt | $(INSTALL) --require-hashes -r /dev/stdin
	@touch $@

# To install is to compile the kernel, so a change of its sources installs again: that takes seconds.
.venv/run: .venv/pinned hatch_build.py $(wildcard kernel/*)
	$(INSTALL) --no-build-isolation --editable .
	@$(BIN)/dcsim --version
	@touch $@

.venv/develop: .venv/pinned | .venv/run
	@echo 'Adding the tools of developers: a minute, once'
	$(INSTALL) --require-hashes -r constraints.txt
	@touch $@

build/notebooks/%.ipynb: notebooks/%.py | .venv/develop
	@mkdir -p $(@D)
	$(BIN)/jupytext --quiet --to ipynb --output $@ $<

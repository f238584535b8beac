# make run     the demo node in the foreground
# make test    the whole suite
# make check   lint, types, who imports whom
# make bench   the benchmarks
# make clean   remove what the others made
#
# Everything is installed into .venv, once; a change of a source that is compiled builds it again.

PYTHON ?= $(shell sh tests/python.sh)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STRICT := $(CURDIR)/$(BIN)/python -bb -X dev
# A file's tests in one process, and more processes than cores: most of what takes long is waiting.
# The allocator that checks itself, a part of -X dev, is for C code and slows everything else.
PYTEST := PYTHONMALLOC=pymalloc $(STRICT) -m pytest --dist loadfile --no-loadscope-reorder \
	--tx '4*popen//python=$(STRICT)'
COMPILED := $(foreach package,sip pager presence session_msrp imsnode,$(wildcard $(package)/*.p* $(package)/*/*.p*))
# What passes compiled modules; the rest would run a second time as it ran the first, and so would
# what a test does with the other database.
BOTH_WAYS := $(filter-out %__pycache__ tests/unit/presence,$(wildcard tests/unit/*)) tests/unit/presence/event \
	tests/wire tests/contract tests/sim \
	$(addprefix --ignore=tests/unit/imsnode/,cli config)

.DELETE_ON_ERROR:
.PHONY: run test check bench build clean

run: .venv/.built
	$(BIN)/imsnode demo

test: .venv/.test .venv/.built
	sh tests/peers.sh
	$(PYTEST)
	$(PYTEST) --pure -k 'not postgresql' $(BOTH_WAYS)

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/.built
	$(BIN)/python -m benchmarks.run

build: .venv/.built

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find sip pager presence session_msrp imsnode tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +
	find sip pager presence session_msrp imsnode -name '*.so' -delete

.venv/bin/python:
	sh tests/venv.sh $(PYTHON) .venv

# Lines of a requirements file out of pyproject.toml: $(call wanted,KEY...)
wanted = $(BIN)/python tests/wanted.py $(1) > .venv/wanted.txt && \
	$(PIP) install --constraint constraints.txt --requirement .venv/wanted.txt

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(call wanted,build run)
	IMSNODE_PURE=1 $(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

.venv/.built: .venv/.installed setup.py $(COMPILED)
	$(BIN)/python -W ignore setup.py --quiet build_ext --inplace
	touch $@

# Most of it is never loaded; what is, Python compiles then.
.venv/.test: .venv/.installed
	$(call wanted,test dev) --no-compile
	touch $@

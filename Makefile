# Every target does its own set-up; the second time that takes a fraction of a second.
# Without make: `python -m helpers setup`, then `python -m helpers run` (or lab, test, …).

PYTHON ?= python3
LESSONS ?=
TIMES ?=
REHEARSALS ?=
HELPERS = $(PYTHON) -m helpers

# A run writes below build/ and into the cache only, so no __pycache__ here.
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: run lab doctor setup setup-test setup-site test lessons warm evidence real bench site slides sheets rehearse

run: setup
	@$(HELPERS) run $(if $(TIMES),--times )$(LESSONS)

lab: setup
	@$(HELPERS) lab

doctor:
	@$(HELPERS) doctor

setup:
	@$(HELPERS) setup

setup-test:
	@$(HELPERS) setup --test

setup-site:
	@$(HELPERS) setup --site

test: setup-test
	@$(HELPERS) test $(TESTS)

lessons: setup
	@$(HELPERS) lessons $(if $(EXECUTE),--execute) $(if $(CHECK),--check) $(LESSONS)

warm: setup
	@$(HELPERS) warm

evidence: setup
	@$(HELPERS) evidence $(LESSONS)

real: setup
	@$(HELPERS) real $(LESSONS)

bench: setup
	@$(HELPERS) bench

site: setup-site
	@$(HELPERS) site

slides: setup-site
	@$(HELPERS) slides $(LESSONS)

sheets: setup-site
	@$(HELPERS) sheets

rehearse: setup-test
	@$(HELPERS) rehearse $(REHEARSALS)

# The whole interface of a working copy. `make demo SCENARIO=cdnow`, `make demo SCENARIO=csv SCENARIO_FILE=orders.csv`.

.PHONY: setup demo test lint bench storm screenshots messages requirements
export SCENARIO SCENARIO_FILE PORT DEVSTORE_PORT
# Dozens of processes start: without what Python keeps of the first, each would compile the product and its libraries.
unexport PYTHONDONTWRITEBYTECODE

setup:
	@tools/setup.sh

demo: setup
	@.venv/bin/python tools/demo.py

# PYTEST_ARGS narrows or extends the run: make test PYTEST_ARGS="tests/loyalty -x"
test:
	@tools/test.sh $(PYTEST_ARGS)

lint: setup
	@tools/lint.sh

bench: setup
	@.venv/bin/python -m bench

# The whole storms and what else is too long for every change. Prints a line of figures each.
storm:
	@STORM=full tools/test.sh -n 0 tests/flows

screenshots:
	@tools/test.sh tests/screens/test_screenshots.py tests/console/test_screens.py tests/storefront/test_looks.py tests/flows/test_story.py tests/flows/test_seasons.py tests/flows/test_history.py --store-screenshots
	@.venv/bin/python tools/pictures.py docs/screenshots

# Brings the message catalogues up to date with the sources, after a text changed.
messages: setup
	@DJANGO_SETTINGS_MODULE=config.settings.test .venv/bin/python tools/messages.py

# Resolves requirements.in anew, after a change there.
requirements: setup
	@.venv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt

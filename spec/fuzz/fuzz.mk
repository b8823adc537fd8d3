# Fuzz targets: each spec/fuzz/fuzz_X.c becomes build-fuzz/fuzz_X, linked with the whole runtime built for libFuzzer.
# Its corpus grows in build-fuzz/corpus/X; seeds come from the shared vectors when they are there.
FUZZ_CC ?= clang-14
FUZZ_SECONDS ?= 60
FUZZ_SAN := address,undefined
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined
FUZZ_NAMES := $(patsubst spec/fuzz/fuzz_%.c,%,$(wildcard spec/fuzz/fuzz_*.c))
FUZZ_SHARED := $(firstword $(wildcard $(WYE_SHARED) ../shared ../../shared))
FUZZ_SEEDS_json = $(wildcard $(FUZZ_SHARED)/json $(FUZZ_SHARED)/fixtures/openai)
FUZZ_SEEDS_sse = $(wildcard $(FUZZ_SHARED)/fixtures/*/)
FUZZ_SEEDS_translation = $(wildcard $(FUZZ_SHARED)/fixtures/*/)
FUZZ_SEEDS_recorded = spec/fuzz/recorded
# LuaJIT's memory is none that the search for leaks looks into.
FUZZ_ENV_translation = ASAN_OPTIONS=detect_leaks=0
FUZZ_ENV_recorded = ASAN_OPTIONS=detect_leaks=0
FUZZ_LEN_sse = 2048
FUZZ_LEN_translation = 4096
FUZZ_LEN_eventstream = 2048
FUZZ_SEEDS_http = build-fuzz/seeds/http
FUZZ_SEEDS_model = build-fuzz/seeds/model
FUZZ_LEN_model = 65536

.PHONY: fuzz fuzz-smoke fuzz-build fuzz-seeds

# fuzz: each parser under libFuzzer with ASan and UBSan, FUZZ_SECONDS each (60 unless given)
fuzz: fuzz-build fuzz-seeds
	@for name in $(FUZZ_NAMES); do $(MAKE) --no-print-directory fuzz-run-$$name || exit 1; done

# fuzz-smoke: the same, five seconds each
fuzz-smoke:
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=5

fuzz-build:
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=$(FUZZ_CC) WARN= \
		CFLAGS='$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SAN)' build-fuzz/libwye.a
	@$(MAKE) --no-print-directory $(FUZZ_NAMES:%=build-fuzz/fuzz_%)

build-fuzz/fuzz_%: spec/fuzz/fuzz_%.c build-fuzz/libwye.a
	$(FUZZ_CC) $(CPPFLAGS) $(shell pkg-config --cflags $(PKGS)) -Wall -Wextra -Werror $(FUZZ_FLAGS) -fsanitize=fuzzer,$(FUZZ_SAN) -o $@ $< \
		build-fuzz/libwye.a $(LIBS)

fuzz-seeds:
	@mkdir -p build-fuzz/seeds/http
	@mkdir -p build-fuzz/seeds/model
	@$(MAKE) --no-print-directory all >/dev/null
	@$(BUILD)/wye train spec/fuzz/model.jsonl -o build-fuzz/seeds/model/text --json >/dev/null
	@$(BUILD)/wye train --similar spec/fuzz/model.jsonl -o build-fuzz/seeds/model/similar --json >/dev/null
	@awk 'BEGIN { for (i = 0; i < 60; i++) printf "{\"text\":\"%s, please: %d\",\"weak\":%d,\"strong\":%d}\n", (i % 3 ? "cook soup" : "prove it"), i, (i % 3 > 0), (i % 7 > 0) }' \
		>build-fuzz/seeds/pairs.jsonl
	@$(BUILD)/wye train --pairs build-fuzz/seeds/pairs.jsonl -o build-fuzz/seeds/model/pairs --json >/dev/null
	@if [ -d "$(FUZZ_SHARED)/http" ]; then luajit spec/fuzz/seeds.lua build-fuzz/seeds/http $(FUZZ_SHARED)/http/*.jsonl; fi

fuzz-run-%:
	@mkdir -p build-fuzz/corpus/$*
	@$(FUZZ_ENV_$*) build-fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -max_len=$(or $(FUZZ_LEN_$*),8192) -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix=build-fuzz/ build-fuzz/corpus/$* $(FUZZ_SEEDS_$*) >build-fuzz/$*.log 2>&1 || { tail -40 build-fuzz/$*.log; exit 1; }
	@echo "fuzz_$*: $(FUZZ_SECONDS) s, $$(sed -n 's/stat::number_of_executed_units: *//p' build-fuzz/$*.log) inputs, no crash"

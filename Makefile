# ann: nearest-neighbour search for PostgreSQL.
#
#   make                  build ann.so against the server pg_config names
#   make install          install it there
#   make unit             unit tests of src/core and src/space (no server)
#   make format-check     does the code follow .clang-format?
#   make objects          compile without linking (check.sh: with clang)
#
# ./check.sh runs every test; ./quickstart.sh shows the main job.

MODULE_big = ann
EXTENSION = ann
DATA = ann--1.0.sql
PGFILEDESC = "ann - nearest-neighbour search"

CORE_SRCS = $(sort $(wildcard src/core/*.c))
SPACE_SRCS = $(sort $(wildcard src/space/*.c))
SERVER_SRCS = $(sort $(wildcard src/types/*.c src/storage/*.c src/access/*.c src/hnsw/*.c src/vptree/*.c src/eval/*.c src/*.c))
OBJS = $(patsubst %.c,%.o,$(CORE_SRCS) $(SPACE_SRCS) $(SERVER_SRCS))
ALL_HEADERS = $(wildcard src/*/*.h)

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=ann
ISOLATION = $(patsubst specs/%.spec,%,$(sort $(wildcard specs/*.spec)))
ISOLATION_OPTS = --load-extension=ann
TAP_TESTS = 1

# Server callbacks have fixed signatures, so parameters go unused by design.
WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter
PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = $(WARNINGS) -fopenmp
SHLIB_LINK = -fopenmp -lm

# The server loads every library into one name space; our calls stay our own.
ifeq ($(shell uname -s), Linux)
SHLIB_LINK += -Wl,-Bsymbolic
PG_CFLAGS += -fno-semantic-interposition
endif

# The distance kernels dispatch at run time and gain nothing from being inlined
# by the server's JIT, so no LLVM bitcode is built.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Server headers are not ours to keep free of -Wextra warnings.
override CPPFLAGS := $(patsubst -I/%,-isystem /%,$(CPPFLAGS))

# Plain C under the server: vectorised where the compiler can, and one order of
# rounding on every platform (no contraction to fused multiply-add).
$(patsubst %.c,%.o,$(CORE_SRCS) $(SPACE_SRCS)): CFLAGS += -O3 -fno-math-errno -ffp-contract=off

$(OBJS): $(ALL_HEADERS)

unit:
	$(MAKE) -C test/unit check

objects: $(OBJS)

CLANG_FORMAT ?= clang-format

format-check:
	$(CLANG_FORMAT) --dry-run -Werror $(wildcard src/*.c src/*/*.[ch] test/*/*.[ch])

.PHONY: unit objects format-check

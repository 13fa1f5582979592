# SPDX-License-Identifier: BSD-3-Clause
# What every Makefile.am includes: compiler flags, and how tests are run.

AM_CPPFLAGS = -I$(top_builddir)
AM_CFLAGS = \
	-std=gnu11 -pthread -fvisibility=hidden \
	$(SANITIZER_CFLAGS) $(WARNINGS_CFLAGS) \
	$(NULL)

# For what stands outside the floors of plugin/ (tests, bench, fuzzers) and
# uses everything but plugin.c.
STORE_CPPFLAGS = \
	-I$(top_srcdir)/plugin \
	-I$(top_srcdir)/plugin/store \
	-I$(top_srcdir)/plugin/policy \
	-I$(top_srcdir)/plugin/control \
	$(NULL)
STORE_LIBS = \
	$(top_builddir)/plugin/libcontrol.la \
	$(top_builddir)/plugin/libpolicy.la \
	$(top_builddir)/plugin/libstore.la \
	$(NULL)

# A test finds these in its environment, and ./nbdkit first in its PATH.  One
# that hangs is killed, with everything it started in its process group.
TEST_TIMEOUT = 300
AM_TESTS_ENVIRONMENT = \
	PATH="$(abs_top_builddir):$$PATH:/usr/sbin:/sbin"; export PATH; \
	top_srcdir="$(abs_top_srcdir)"; export top_srcdir; \
	top_builddir="$(abs_top_builddir)"; export top_builddir; \
	NBDKIT="$(abs_top_builddir)/nbdkit"; export NBDKIT; \
	ZRAM_PLUGIN="$(abs_top_builddir)/plugin/.libs/nbdkit-zram-plugin.so"; \
	export ZRAM_PLUGIN; \
	NBDZRAM="$(abs_top_builddir)/server/nbdzram"; export NBDZRAM; \
	LC_ALL=C; export LC_ALL;
LOG_COMPILER = timeout -k 10 $(TEST_TIMEOUT)
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(LOG_COMPILER)

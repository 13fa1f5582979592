# SPDX-License-Identifier: BSD-3-Clause
# A library that makes the plugin richer but is not needed: --with-NAME.

# ZRAM_OPTIONAL_LIBRARY(NAME, PREFIX, PKG-CONFIG MODULE, WHAT IT ADDS)
# auto uses it where it is found, yes insists, no leaves it out.  Gives
# PREFIX_CFLAGS, PREFIX_LIBS, HAVE_PREFIX in config.h and for Makefile.am, and
# use_NAME (yes or no) for the summary.
AC_DEFUN([ZRAM_OPTIONAL_LIBRARY], [
  AC_ARG_WITH([$1],
    [AS_HELP_STRING([--with-$1=auto|yes|no], [use $3 for $4 @<:@auto@:>@])],
    [], [with_$1=auto])
  AS_CASE([$with_$1],
    [no], [use_$1=no],
    [yes], [PKG_CHECK_MODULES([$2], [$3], [use_$1=yes],
      [AC_MSG_ERROR([--with-$1 was given but $3 is missing (pkg-config)])])],
    [auto], [PKG_CHECK_MODULES([$2], [$3], [use_$1=yes], [use_$1=no])],
    [AC_MSG_ERROR([--with-$1: expected auto, yes or no, not '$with_$1'])])
  AS_IF([test "$use_$1" = yes],
    [AC_DEFINE([HAVE_$2], [1], [Define to 1 to use $3 for $4.])])
  AM_CONDITIONAL([HAVE_$2], [test "$use_$1" = yes])
])

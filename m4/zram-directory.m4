dnl SPDX-License-Identifier: BSD-3-Clause
dnl ZRAM_DIRECTORY(VARIABLE, PACKAGE, ITS-VARIABLE, ELSE, WHAT)
dnl Where files of this kind go: --with-VARIABLE, or what pkg-config knows of
dnl PACKAGE, or ELSE.  Substitutes VARIABLE.
AC_DEFUN([ZRAM_DIRECTORY], [
  AC_ARG_WITH([$1],
    [AS_HELP_STRING([--with-$1=DIR],
      [where $5 go @<:@pkg-config --variable=$3 $2@:>@])],
    [AS_CASE([$with_$1], [yes|no|''],
      [AC_MSG_ERROR([--with-$1 needs a directory])])
     $1=$with_$1],
    [PKG_CHECK_VAR([$1], [$2], [$3], [], [$1='$4'])])
  AC_SUBST([$1])
])

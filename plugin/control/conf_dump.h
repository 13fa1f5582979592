/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as an ini file that means the same, with every key. */
#ifndef ZRAM_CONF_DUMP_H
#define ZRAM_CONF_DUMP_H

#include <stdio.h>

#include "conf.h"

/* Of a conf that conf_finish accepted and that came from a file. */
void conf_dump (const struct conf *conf, FILE *file);

#endif

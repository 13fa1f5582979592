/* SPDX-License-Identifier: BSD-3-Clause */
/* A library whose constructor runs before all others (-z initfirst) and has
 * libasan set itself up.
 *
 * libp11-kit, which nbdkit has from GnuTLS, takes the locale's lock in its
 * constructor.  If libasan sets itself up only then, it breaks that lock, and
 * the server hangs at its end once it has printed %m.
 */
#include <stdlib.h>

__attribute__ ((constructor)) static void
set_up_libasan (void)
{
  void *volatile p = malloc (1);

  free (p);
}

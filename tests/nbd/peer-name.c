/* SPDX-License-Identifier: BSD-3-Clause */
/* nbdkit_peer_tls_dn for servers before nbdkit 1.40: every client has the name
 * that stands in the file $PEER_NAME.  A newer server has its own, which comes
 * first, and gets the name from the certificate.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *nbdkit_peer_tls_dn (void);

__attribute__ ((visibility ("default"))) char *
nbdkit_peer_tls_dn (void)
{
  const char *path = getenv ("PEER_NAME");
  FILE *file = path ? fopen (path, "r") : NULL;
  char name[256] = "";

  if (!file)
    return NULL;
  if (fgets (name, sizeof name, file))
    name[strcspn (name, "\n")] = '\0';
  fclose (file);
  return strdup (name);
}

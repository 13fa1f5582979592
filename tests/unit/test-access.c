/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may open an export: what the keys take, whose name a pattern matches, and
 * what comes of uids and certificates together.
 */
#include <config.h>

#include "access.h"
#include "check.h"

#define WRONG_UIDS                                                            \
  "neither any nor uids from 0 to 4294967294 with commas between them"
#define WRONG_NAMES                                                           \
  "neither none, any nor names such as CN=host,O=* with ; between them"

/* The access is the caller's; NULL: that key is not given. */
static struct access
make (const char *uids, const char *certificates)
{
  struct access access = { .nr_uids = 0 };

  check (!uids || !access_set_uids (&access, uids));
  check (!certificates || !access_set_certificates (&access, certificates));
  return access;
}

/* Uids. */

static bool
lets_in_uid (const char *uids, int64_t uid)
{
  struct access access = make (uids, NULL);
  const struct access_peer peer = { .is_local = true, .uid = uid };
  const bool in = !access_refusal (&access, &peer);

  access_free (&access);
  return in;
}

static void
listed_uids_come_in_and_no_other (void)
{
  static const int64_t others[] = { -1, 1, 9, 11, 99, 101, UINT32_MAX };
  static const char *const lists[] = {
    "0,10,100,4294967294", " 0 , 10,\t100 ,4294967294", "10,10,4294967294,100,0",
  };

  for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) {
    printf ("  '%s'\n", lists[i]);
    check (lets_in_uid (lists[i], 0) && lets_in_uid (lists[i], 10));
    check (lets_in_uid (lists[i], 100));
    check (lets_in_uid (lists[i], UINT32_MAX - 1));
    for (unsigned j = 0; j < sizeof others / sizeof *others; j++)
      check (!lets_in_uid (lists[i], others[j]));
  }
  check (lets_in_uid ("any", 5) && lets_in_uid ("any", -1));
  check (lets_in_uid (NULL, 5));
}

static void
what_is_no_list_of_uids_is_refused (void)
{
  static const char *const texts[] = {
    "", " ", ",", "1,", ",1", "1,,2", "1 2", "1;2", "root", "-1", "+1", "0x1",
    "1.0", "any,1", "Any", "none", "4294967295", "99999999999999999999",
  };

  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct access access = { .nr_uids = 0 };

    printf ("  '%s'\n", texts[i]);
    check_str_equal (access_set_uids (&access, texts[i]), WRONG_UIDS);
    access_free (&access);
  }
}

/* Names. */

static bool
lets_in_name (const char *certificates, const char *name)
{
  struct access access = make (NULL, certificates);
  const struct access_peer peer = { .uid = -1, .is_tls = true, .name = name };
  const bool in = !access_refusal (&access, &peer);

  access_free (&access);
  return in;
}

static void
names_match_their_patterns (void)
{
  static const struct { const char *pattern, *name; } pairs[] = {
    { "CN=a", "CN=a" },
    { "CN=a,O=b,C=de", "CN=a,O=b,C=de" },
    { "CN=*,O=b", "CN=a,O=b" },
    { "CN=*,O=b", "CN=,O=b" },
    { "CN=*,O=*", "CN=a,O=b" },
    { "CN=h*.example.com", "CN=host7.example.com" },
    { "CN=h*.example.com", "CN=h.example.com.example.com" },
    { "CN=*a*b*c*", "CN=xaxxbbcbc" },
    { "CN=***", "CN=x" },
    { "*=x", "CN=x" },
    { "CN=*,O=b", "CN=x\\,O=y,O=b" },
    { "CN=a\\,b", "CN=a\\,b" },
    { "CN=*a\\,b", "CN=aa\\,ba\\,b" },
    { "CN=a\\;b", "CN=a\\;b" },
    { "CN=*+UID=7", "CN=a+UID=7" },
    { "CN=a;CN=b", "CN=b" },
    { "CN=a; CN=b;\tCN=c", "CN=c" },
    { "CN=a\\;b;CN=c", "CN=c" },
  };

  for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    printf ("  '%s' '%s'\n", pairs[i].pattern, pairs[i].name);
    check (lets_in_name (pairs[i].pattern, pairs[i].name));
  }
}

static void
other_names_do_not (void)
{
  static const struct { const char *pattern, *name; } pairs[] = {
    { "CN=a", "CN=b" },
    { "CN=a", "CN=A" },
    { "CN=a", "CN=ab" },
    { "CN=ab", "CN=a" },
    { "CN=a", "O=x,CN=a" },
    { "CN=a", "CN=a,O=x" },
    { "CN=?", "CN=a" },
    { "CN=[a]", "CN=a" },
    { "CN=*", "CN=a,O=b" },
    { "CN=*,O=b", "CN=a,OU=x,O=b" },
    { "CN=*,O=b", "CN=x\\,O=b" },
    { "CN=*,O=b", "CN=x\\\\\\,O=b" },
    { "CN=*,O=b", "CN=a+UID=7,O=b" },
    { "CN=a*", "CN=a,O=evil" },
    { "CN=*a", "CN=b,O=a" },
    { "CN=a\\;b", "CN=a" },
    { "CN=a\\;b", "b" },
    { "CN=*=*", "CN=a" },
    { "CN=a;CN=b", "CN=c" },
    { "CN=a;CN=b", "CN=a;CN=b" },
    { "*=*", "" },
    { "*=*", NULL },
  };

  for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    printf ("  '%s' '%s'\n", pairs[i].pattern,
            pairs[i].name ? pairs[i].name : "(none)");
    check (!lets_in_name (pairs[i].pattern, pairs[i].name));
  }
}

static void
any_certificate_is_any_client_over_tls (void)
{
  check (lets_in_name ("any", "CN=a") && lets_in_name ("any", NULL));
  check (lets_in_name ("none", NULL) && lets_in_name (NULL, NULL));
}

static void
what_is_no_list_of_names_is_refused (void)
{
  static const char *const texts[] = {
    "", "*", "all", "None", "any;none", "CN=a;", ";CN=a", "CN=a;;CN=b",
    "CN=a;b", "host;CN=a", "a\\;CN=b;c",
  };

  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct access access = { .nr_uids = 0 };

    printf ("  '%s'\n", texts[i]);
    check_str_equal (access_set_certificates (&access, texts[i]),
                     WRONG_NAMES);
    check (access.certificates == ACCESS_CERTIFICATES_NONE);
    access_free (&access);
  }
}

/* Both. */

#define NOT_LISTED_UID "its uid is not in allow_uids"
#define NOT_HERE "only users of this machine may open it"
#define NOT_TLS "only clients with a certificate may open it"
#define NO_NAME "it has no certificate that was verified"
#define NOT_LISTED_NAME "its certificate is not in allow_certificates"

static const struct access_peer peers[] = {
  { .is_local = true, .uid = 5 },
  { .is_local = true, .uid = 6 },
  { .is_local = true, .uid = 5, .is_tls = true },
  { .is_local = true, .uid = 5, .is_tls = true, .name = "CN=a" },
  { .is_local = true, .uid = 6, .is_tls = true, .name = "CN=a" },
  { .uid = -1 },
  { .uid = -1, .is_tls = true },
  { .uid = -1, .is_tls = true, .name = "CN=a" },
  { .uid = -1, .is_tls = true, .name = "CN=b" },
};
#define NR_PEERS (sizeof peers / sizeof *peers)

static const struct {
  const char *uids, *certificates;
  const char *expected[NR_PEERS];       /* NULL: may come in */
} cases[] = {
  { "any", "none", { NULL } },
  { "5", "none", { NULL, NOT_LISTED_UID, NULL, NULL, NOT_LISTED_UID,
                   NOT_HERE, NOT_HERE, NOT_HERE, NOT_HERE } },
  { "any", "any", { NOT_TLS, NOT_TLS, NULL, NULL, NULL,
                    NOT_TLS, NULL, NULL, NULL } },
  { "any", "CN=a", { NOT_TLS, NOT_TLS, NO_NAME, NULL, NULL,
                     NOT_TLS, NO_NAME, NULL, NOT_LISTED_NAME } },
  { "5", "any", { NOT_TLS, NOT_LISTED_UID, NULL, NULL, NOT_LISTED_UID,
                  NOT_TLS, NULL, NULL, NULL } },
  { "5", "CN=a", { NOT_TLS, NOT_LISTED_UID, NO_NAME, NULL, NOT_LISTED_UID,
                   NOT_TLS, NO_NAME, NULL, NOT_LISTED_NAME } },
};

static void
check_peer (const struct access *access, const struct access_peer *peer,
            const char *expected)
{
  const char *why = access_refusal (access, peer);
  char who[ACCESS_PEER_CHARS];

  access_describe (peer, who);
  printf ("    %s%s: %s\n", who, peer->is_tls ? ", TLS" : "",
          why ? why : "may come in");
  check (!why == !expected);
  if (why)
    check_str_equal (why, expected);
}

static void
all_that_is_asked_for_has_to_be_there (void)
{
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct access access = make (cases[i].uids, cases[i].certificates);

    printf ("  uids %s, certificates %s\n", cases[i].uids,
            cases[i].certificates);
    check (access_is_limited (&access) == (i > 0));
    for (unsigned j = 0; j < NR_PEERS; j++)
      check_peer (&access, &peers[j], cases[i].expected[j]);
    access_free (&access);
  }
}

static void
a_later_value_replaces_an_earlier_one (void)
{
  struct access access = make ("1,2,3", "CN=a");

  check (!access_set_uids (&access, "4"));
  check (access.nr_uids == 1 && access.uids[0] == 4);
  check (!access_set_certificates (&access, "any"));
  check (access.certificates == ACCESS_CERTIFICATES_ANY);
  check (!access_set_uids (&access, "any"));
  check (!access_set_certificates (&access, "none"));
  check (!access_is_limited (&access));
  access_free (&access);
}

static void
a_description_is_one_line (void)
{
  char who[ACCESS_PEER_CHARS], name[1000];

  access_describe (&(struct access_peer) { .is_local = true, .uid = 1000 },
                   who);
  check_str_equal (who, "uid 1000");
  access_describe (&(struct access_peer) { .uid = -1, .name = "CN=\na\t" },
                   who);
  check_str_equal (who, "not on a Unix socket, CN=?a?");
  memset (name, 'x', sizeof name);
  name[sizeof name - 1] = '\0';
  access_describe (&(struct access_peer) { .uid = -1, .name = name }, who);
  check (strlen (who) == sizeof who - 1);
}

int
main (void)
{
  test (listed_uids_come_in_and_no_other);
  test (what_is_no_list_of_uids_is_refused);
  test (names_match_their_patterns);
  test (other_names_do_not);
  test (any_certificate_is_any_client_over_tls);
  test (what_is_no_list_of_names_is_refused);
  test (all_that_is_asked_for_has_to_be_there);
  test (a_later_value_replaces_an_earlier_one);
  test (a_description_is_one_line);
  return 0;
}

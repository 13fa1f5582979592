/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said on the control socket.
 *
 * One line in, one answer out, as often as one likes on a connection:
 *   list                            the devices, a line each
 *   help                            the attributes: name, mode, what it is
 *   show DEVICE ATTRIBUTE           read it
 *   store DEVICE ATTRIBUTE VALUE    write it
 * and the answer is one of
 *   ok LENGTH                       then LENGTH bytes of payload
 *   error ERRNO-NAME MESSAGE        nothing was done
 *
 *   $ echo show swap disksize | socat - UNIX:/run/nbdzram.sock
 *   ok 11
 *   1073741824
 *
 * A line longer than PROTOCOL_LINE_BYTES_MAX, or one with a NUL byte in it, is
 * answered with an error and ends the connection, since who knows what the rest
 * means.  So does a client that is not allowed to ask.
 */
#ifndef ZRAM_PROTOCOL_H
#define ZRAM_PROTOCOL_H

#define PROTOCOL_LINE_BYTES_MAX 4096u   /* without the newline */
#define PROTOCOL_MESSAGE_BYTES_MAX 1024u

#endif

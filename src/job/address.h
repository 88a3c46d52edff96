/* Which address of this host the other ranks can reach. */
#ifndef JOB_ADDRESS_H
#define JOB_ADDRESS_H

#include "fusor/status.h"

#define ADDRESS_MAX 16 /* IPv4 text with its NUL */

/** @param wanted name of an interface, or an IPv4 address of one; "": the
 *         first interface that is up and no loopback
 * @return FUSOR_ECLUSTER naming the interfaces there are */
enum fusor_status address_choose(const char *wanted, char out[ADDRESS_MAX],
                                 struct fusor_error *err);

#endif

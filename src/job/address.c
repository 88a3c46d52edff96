/* Chooses among the addresses that getifaddrs(3) lists. */
#define _GNU_SOURCE /* getifaddrs, IFF_UP */
#include "job/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static int address_of(const struct ifaddrs *i, char out[ADDRESS_MAX])
{
    struct sockaddr_in at;

    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
        !(i->ifa_flags & IFF_UP))
        return 0;
    memcpy(&at, i->ifa_addr, sizeof(at));
    return inet_ntop(AF_INET, &at.sin_addr, out, ADDRESS_MAX) != NULL;
}

static int fits(const struct ifaddrs *i, const char *address,
                const char *wanted)
{
    if (!wanted[0])
        return !(i->ifa_flags & IFF_LOOPBACK);
    return strcmp(i->ifa_name, wanted) == 0 || strcmp(address, wanted) == 0;
}

enum fusor_status address_choose(const char *wanted, char out[ADDRESS_MAX],
                                 struct fusor_error *err)
{
    struct strbuf seen = {0};
    struct ifaddrs *all;
    char address[ADDRESS_MAX];
    int found = 0;

    if (getifaddrs(&all) != 0)
        return fusor_fail(err, FUSOR_ECLUSTER, "getifaddrs: %s",
                          strerror(errno));
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        if (!address_of(i, address))
            continue;
        found = fits(i, address, wanted);
        strbuf_addf(&seen, " %s (%s)", i->ifa_name, address);
    }
    freeifaddrs(all);
    if (found)
        snprintf(out, ADDRESS_MAX, "%s", address);
    else
        fusor_fail(
            err, FUSOR_ECLUSTER,
            "no network interface %s%swith an IPv4 address; there are:%s",
            wanted, wanted[0] ? " " : "", seen.s ? seen.s : " none");
    strbuf_clear(&seen);
    return found ? FUSOR_OK : FUSOR_ECLUSTER;
}

/* Goes through the range: another job on the host may hold part of it. */
#include "job/ports.h"

#include <string.h>

#include "base/str.h"

static int read_port(const char *text, size_t n, unsigned *out)
{
    char digits[8];
    int64_t port;

    if (n == 0 || n >= sizeof(digits))
        return 0;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (str_to_i64(digits, &port) != 0 || port < 1 || port > 65535)
        return 0;
    *out = (unsigned)port;
    return 1;
}

enum fusor_status ports_parse(const char *text, struct port_range *out,
                              struct fusor_error *err)
{
    struct port_range r = {0, 0};
    size_t n = strcspn(text, "-");
    int good = !text[0];

    if (!good && text[n])
        good = read_port(text, n, &r.first) &&
               read_port(text + n + 1, strlen(text + n + 1), &r.last);
    else if (!good) {
        good = read_port(text, n, &r.first);
        r.last = r.first;
    }
    if (!good || r.first > r.last)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "\"%s\" is no range of ports from 1 to 65535, such "
                          "as 20000-20100",
                          text);
    *out = r;
    return FUSOR_OK;
}

enum fusor_status ports_listen(const struct port_range *range, const char *host,
                               int *fd, char endpoint[TRANSPORT_ENDPOINT_MAX],
                               struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_ECLUSTER;
    struct fusor_error why;

    for (unsigned p = range->first; rc == FUSOR_ECLUSTER && p <= range->last;
         p++)
        rc = transport_zmq_listen(host, p, fd, endpoint, &why);
    if (rc == FUSOR_OK)
        return FUSOR_OK;
    if (range->first == range->last)
        return fusor_fail(err, rc, "%s", why.text);
    return fusor_fail(err, rc,
                      "no free port among cluster.ports %u-%u; the last: %s",
                      range->first, range->last, why.text);
}

/* Ranges of ports. */
#include "job/ports.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static int parses(const char *text, unsigned first, unsigned last)
{
    struct port_range r;

    return ports_parse(text, &r, NULL) == FUSOR_OK && r.first == first &&
           r.last == last;
}

static void a_range_is_read(void)
{
    CHECK(parses("", 0, 0));
    CHECK(parses("20000", 20000, 20000));
    CHECK(parses("1-65535", 1, 65535));
}

static void what_is_no_range_is_refused(void)
{
    static const char *const wrong[] = {"0",   "65536",  "9-",         "-9",
                                        "9-8", "a-b",    "1-2-3",      "0-5",
                                        " ",   "9 - 10", "999999999-1"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct port_range r = {7, 7};
        struct fusor_error err = {0};

        CHECK(ports_parse(wrong[i], &r, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, wrong[i]) && strstr(err.text, "20000-20100"));
        CHECK(r.first == 7);
    }
}

static unsigned port_of(const char *endpoint)
{
    return (unsigned)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
}

static void ports_in_use_are_passed_over(void)
{
    struct port_range any = {0, 0}, range;
    char held[TRANSPORT_ENDPOINT_MAX], got[TRANSPORT_ENDPOINT_MAX];
    struct fusor_error err = {0};
    int fd, next;

    REQUIRE(ports_listen(&any, "127.0.0.1", &fd, held, NULL) == FUSOR_OK);
    range.first = range.last = port_of(held);
    CHECK(ports_listen(&range, "127.0.0.1", &next, got, &err) ==
          FUSOR_ECLUSTER);
    CHECK(strstr(err.text, held) && strstr(err.text, "in use"));
    range.last = range.first + 50;
    if (range.last > 65535)
        range.last = 65535;
    REQUIRE(ports_listen(&range, "127.0.0.1", &next, got, &err) == FUSOR_OK);
    CHECK(port_of(got) > range.first && port_of(got) <= range.last);
    close(fd);
    close(next);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a range is read", a_range_is_read},
        {"what is no range is refused", what_is_no_range_is_refused},
        {"ports in use are passed over", ports_in_use_are_passed_over},
    };
    return TEST_RUN("job.ports", cases);
}

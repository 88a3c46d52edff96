/* Addresses of this host. */
#include "job/address.h"

#include <string.h>

#include "harness.h"

static void an_address_or_a_name_chooses_an_interface(void)
{
    char out[ADDRESS_MAX] = "";

    REQUIRE(address_choose("lo", out, NULL) == FUSOR_OK);
    CHECK(strcmp(out, "127.0.0.1") == 0);
    REQUIRE(address_choose("127.0.0.1", out, NULL) == FUSOR_OK);
    CHECK(strcmp(out, "127.0.0.1") == 0);
}

static void an_unknown_one_is_refused_with_those_there_are(void)
{
    struct fusor_error err = {0};
    char out[ADDRESS_MAX] = "";

    CHECK(address_choose("nosuch0", out, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "nosuch0") && strstr(err.text, "lo (127.0.0.1)"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an address or a name chooses an interface",
         an_address_or_a_name_chooses_an_interface},
        {"an unknown one is refused with those there are",
         an_unknown_one_is_refused_with_those_there_are},
    };
    return TEST_RUN("job.address", cases);
}

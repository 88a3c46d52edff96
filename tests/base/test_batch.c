/* Names of fields and of their types. */
#include <string.h>

#include "base/batch.h"

#include "harness.h"

static void fields_are_found_by_name(void)
{
    struct field_spec fields[2] = {{.name = "user"}, {.name = "item"}};

    CHECK(field_find(fields, 2, "user") == 0);
    CHECK(field_find(fields, 2, "item") == 1);
    CHECK(field_find(fields, 2, "ite") == -1);
    CHECK(field_find(fields, 0, "user") == -1);
}

static void types_come_back_from_their_names(void)
{
    for (int t = FIELD_DENSE; t <= FIELD_VECTOR; t++)
        CHECK(field_type_from_name(field_type_name((enum field_type)t)) == t);
    CHECK(field_type_from_name("?") == -1);
    CHECK(strcmp(field_type_name((enum field_type)99), "?") == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a field is found by its name", fields_are_found_by_name},
        {"a type comes back from its name", types_come_back_from_their_names},
    };

    return TEST_RUN("base.batch", cases);
}

/* Text tables. */
#include <string.h>

#include "base/mem.h"
#include "base/texttab.h"

#include "harness.h"

static void columns_line_up(void)
{
    static const char *const columns[] = {"name", ">n", "what", NULL};
    static const char *const one[] = {"lr", "10", "rate"};
    static const char *const two[] = {"momentum", "5", ">x"};
    struct texttab *t = texttab_create(columns);
    struct strbuf out = {0};

    REQUIRE(t != NULL);
    texttab_row(t, one);
    texttab_row(t, two);
    texttab_print(t, &out);
    REQUIRE(!out.failed);
    CHECK(strcmp(out.s, "name       n  what\n"
                        "lr        10  rate\n"
                        "momentum   5  >x\n") == 0);
    strbuf_clear(&out);
    texttab_destroy(t);
}

static void letters_count_not_bytes(void)
{
    static const char *const columns[] = {"a", "b", NULL};
    static const char *const one[] = {"\xc3\xa9t\xc3\xa9", "x"};
    struct texttab *t = texttab_create(columns);
    struct strbuf out = {0};

    texttab_row(t, one);
    texttab_print(t, &out);
    REQUIRE(!out.failed);
    CHECK(strcmp(out.s, "a    b\n\xc3\xa9t\xc3\xa9  x\n") == 0);
    strbuf_clear(&out);
    texttab_destroy(t);
}

static void lost_memory_shows_once(void)
{
    static const char *const columns[] = {"a", "b", NULL};
    size_t before = mem_used();

    for (long n = 1; n <= 6; n++) {
        struct strbuf out = {0};
        struct texttab *t;

        mem_fail_after(n);
        t = texttab_create(columns);
        texttab_row(t, columns);
        texttab_print(t, &out);
        mem_fail_after(0);
        CHECK(out.failed);
        strbuf_clear(&out);
        texttab_destroy(t);
        CHECK(mem_used() == before);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"columns line up, numbers on the right", columns_line_up},
        {"letters count, not bytes", letters_count_not_bytes},
        {"lost memory shows in the buffer", lost_memory_shows_once},
    };

    return TEST_RUN("base.texttab", cases);
}

/* Tests of the slab and the budget. */
#define _GNU_SOURCE /* memfd_create */
#include "store/slab.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

static void extents_are_zeroed_and_owned(void)
{
    struct budget b = {0, 0, 0};
    struct slab s;
    uint64_t at, next;

    REQUIRE(!slab_init(&s, -1, 0, NULL, &b, NULL));
    REQUIRE(!slab_extend(&s, SLAB_TABLE, 2, &at, NULL));
    REQUIRE(!slab_extend(&s, SLAB_DENSE, 1, &next, NULL));
    CHECK(at == SLAB_EXTENT_BYTES && next == 3 * SLAB_EXTENT_BYTES);
    CHECK(s.base[at] == 0 && s.base[next + SLAB_EXTENT_BYTES - 1] == 0);
    CHECK(s.head->owner[1] == SLAB_TABLE && s.head->owner[2] == SLAB_TABLE);
    CHECK(s.head->owner[3] == SLAB_DENSE && s.head->owner[4] == SLAB_FREE);
    CHECK(b.used == 4 * SLAB_EXTENT_BYTES);
    slab_clear(&s);
}

static void another_mapping_finds_everything(void)
{
    struct budget b = {0, 0, 0}, b2 = {0, 0, 0};
    struct slab s, other;
    uint64_t at;

    REQUIRE(!slab_init(&s, -1, 0, NULL, &b, NULL));
    REQUIRE(!slab_extend(&s, SLAB_TABLE, 1, &at, NULL));
    memcpy(s.base + at, "here", 5);
    s.head->clock = 42;
    REQUIRE(!slab_init(&other, dup(s.fd), 0, NULL, &b2, NULL));
    slab_clear(&s);
    CHECK(other.head->clock == 42);
    CHECK(strcmp((const char *)other.base + at, "here") == 0);
    CHECK(b2.used == 2 * SLAB_EXTENT_BYTES);
    slab_clear(&other);
}

static void a_foreign_descriptor_is_refused(void)
{
    struct budget b = {0, 0, 0};
    struct fusor_error err = {0};
    struct slab s;
    int fd = memfd_create("test", 0);

    REQUIRE(fd >= 0);
    CHECK(slab_init(&s, fd, 0, NULL, &b, &err) == FUSOR_EDATA);
    REQUIRE(!ftruncate(fd, 4 << 20));
    CHECK(slab_init(&s, fd, 0, NULL, &b, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "no slab") != NULL);
    REQUIRE(pwrite(fd, "FUSRSLAB\4\0\0\0\0\0\0\0", 16, 0) == 16);
    CHECK(slab_init(&s, fd, 0, NULL, &b, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "version 4") != NULL);
    REQUIRE(pwrite(fd, "FUSRSLAB\3\0\0\0\0\0\0\0", 16, 0) == 16);
    CHECK(slab_init(&s, fd, 0, NULL, &b, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "0 extents") != NULL);
    CHECK(b.used == 0);
    CHECK(close(fd) == 0); // it stayed ours
}

static void the_cap_names_the_setting(void)
{
    struct budget b = {5 * SLAB_EXTENT_BYTES, 0, 3};
    struct fusor_error err = {0};
    struct slab s;
    uint64_t at;

    REQUIRE(!slab_init(&s, -1, 0, NULL, &b, NULL));
    REQUIRE(!slab_extend(&s, SLAB_TABLE, 4, &at, NULL));
    CHECK(slab_extend(&s, SLAB_TABLE, 1, &at, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "memory.per_server") != NULL);
    CHECK(strstr(err.text, "shard 3") != NULL);
    CHECK(s.head->n_extents == 5 && b.used == b.cap);
    slab_clear(&s);
    b.used = b.cap;
    CHECK(slab_init(&s, -1, 0, NULL, &b, &err) == FUSOR_ENOMEM);
}

static void huge_pages_are_counted(void)
{
    struct budget b = {0, 0, 0};
    struct slab s;
    uint64_t at;

    REQUIRE(!slab_init(&s, -1, 1, NULL, &b, NULL));
    REQUIRE(!slab_extend(&s, SLAB_TABLE, 20, &at, NULL));
    memcpy(s.base + at, "kept", 5);
    for (uint64_t i = 0; i < 20; i++)
        slab_collapse(&s, at + i * SLAB_EXTENT_BYTES);
    CHECK(s.huge_wanted <= 20 && s.huge_got <= s.huge_wanted);
    CHECK(s.huge_got + 8 >= s.huge_wanted || s.huge_got > 0);
    CHECK(strcmp((const char *)s.base + at, "kept") == 0);
    slab_clear(&s);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"extents are zeroed and owned", extents_are_zeroed_and_owned},
        {"another mapping finds everything", another_mapping_finds_everything},
        {"a foreign descriptor is refused", a_foreign_descriptor_is_refused},
        {"the cap names the setting", the_cap_names_the_setting},
        {"huge pages are asked for and counted", huge_pages_are_counted},
    };

    return TEST_RUN("store.slab", cases);
}

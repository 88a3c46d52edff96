/* wire/payload_region: memory that others can map, whose places stay. */
#include "wire/payload_region.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

#define MB ((size_t)1 << 20)

static void what_is_written_is_seen_through_the_descriptor(void)
{
    struct payload_region r;
    const unsigned char *other;

    REQUIRE(payload_region_make(3 * MB, &r, NULL) == FUSOR_OK);
    CHECK(r.size == 4 * MB); // whole huge pages
    r.base[3 * MB] = 42;
    other = mmap(NULL, r.size, PROT_READ, MAP_SHARED, r.fd, 0);
    REQUIRE(other != MAP_FAILED);
    CHECK(other[3 * MB] == 42);
    payload_region_clear(&r);
    CHECK(other[3 * MB] == 42); // as long as somebody maps it
    munmap((void *)(uintptr_t)other, 4 * MB);
}

static void its_size_cannot_change(void)
{
    struct payload_region r;

    REQUIRE(payload_region_make(2 * MB, &r, NULL) == FUSOR_OK);
    CHECK(ftruncate(r.fd, 4096) != 0);
    CHECK(ftruncate(r.fd, (off_t)(4 * MB)) != 0);
    payload_region_clear(&r);
}

static void places_do_not_overlap_and_end(void)
{
    struct payload_region r;
    size_t used = 0;
    unsigned char *a, *b, *c;

    REQUIRE(payload_region_make(6 * MB, &r, NULL) == FUSOR_OK);
    a = payload_region_place(&r, &used, 5000);
    b = payload_region_place(&r, &used, 5000);
    c = payload_region_place(&r, &used, 2 * MB);
    REQUIRE(a && b && c);
    CHECK(b >= a + 5000 && c >= b + 5000);
    CHECK((uintptr_t)b % MEM_ALIGN == 0);
    CHECK((size_t)(c - r.base) % (2 * MB) == 0); // may be a huge page
    CHECK(payload_region_place(&r, &used, 2 * MB + 1) == NULL);
    CHECK(payload_region_place(&r, &used, 2 * MB) != NULL);
    CHECK(payload_region_place(&r, &used, 1) == NULL);
    CHECK(payload_region_has(&r, a) && !payload_region_has(&r, &r));
    payload_region_clear(&r);
}

static void dropped_pages_are_given_back(void)
{
    struct payload_region r;
    struct stat full, empty;

    REQUIRE(payload_region_make(2 * MB, &r, NULL) == FUSOR_OK);
    memset(r.base, 1, MB);
    REQUIRE(fstat(r.fd, &full) == 0);
    payload_region_drop(&r, r.base, MB);
    REQUIRE(fstat(r.fd, &empty) == 0);
    CHECK(empty.st_blocks < full.st_blocks);
    CHECK(r.base[0] == 0);
    payload_region_clear(&r);
}

static void a_limit_on_files_is_no_signal(void)
{
    struct rlimit old, low;
    struct payload_region r = {0};
    struct fusor_error err;

    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    low = old;
    low.rlim_cur = MB;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
    CHECK(payload_region_make(2 * MB, &r, &err) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "cannot be shared") != NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    payload_region_clear(&r); // of nothing
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what is written is seen through the descriptor",
         what_is_written_is_seen_through_the_descriptor},
        {"its size cannot change", its_size_cannot_change},
        {"places do not overlap, and end", places_do_not_overlap_and_end},
        {"dropped pages are given back", dropped_pages_are_given_back},
        {"a limit on files is no signal", a_limit_on_files_is_no_signal},
    };

    return TEST_RUN("wire.payload_region", cases);
}

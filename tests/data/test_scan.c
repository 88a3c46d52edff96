#include "harness.h"

#include <string.h>

#include "base/rng.h"
#include "data/scan.h"

#define ROOM 4096

static uint32_t ends[2][ROOM + 1], lines[2][ROOM + 1];
static struct scan fast = {ends[0], lines[0], 0, 0, 0};
static struct scan plain = {ends[1], lines[1], 0, 0, 0};

static int equal(void)
{
    return fast.n_ends == plain.n_ends && fast.n_lines == plain.n_lines &&
           fast.high == plain.high &&
           !memcmp(ends[0], ends[1], fast.n_ends * sizeof(ends[0][0])) &&
           !memcmp(lines[0], lines[1], fast.n_lines * sizeof(lines[0][0]));
}

static void ends_of_cells_and_lines_are_found(void)
{
    const char *text = "a\tbc\t\n\nxyz\t1\n";

    scan_cells(text, strlen(text), '\t', &fast);
    CHECK(fast.n_ends == 6 && fast.n_lines == 3 && !fast.high);
    CHECK(!memcmp(ends[0], (uint32_t[]){1, 4, 5, 6, 10, 12}, 24));
    CHECK(!memcmp(lines[0], (uint32_t[]){2, 3, 5}, 12));
    scan_cells("", 0, '\t', &fast);
    CHECK(fast.n_ends == 0 && fast.n_lines == 0);
}

static void wide_and_plain_loops_agree(void)
{
    static const char letters[] = "\t\n0a,\r";
    struct rng r = rng_stream(1, RNG_SPLIT, 0, 0);
    char text[ROOM];

    for (int round = 0; round < 400; round++) {
        size_t n = rng_below(&r, round < 200 ? 200 : ROOM);

        for (size_t i = 0; i < n; i++)
            text[i] = letters[rng_below(&r, 6)];
        if (n && round % 3 == 0)
            text[rng_below(&r, n)] = (char)0xc3;
        scan_cells(text, n, ',', &fast);
        scan_cells_plain(text, n, ',', &plain);
        CHECK(equal());
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"ends of cells and lines are found",
         ends_of_cells_and_lines_are_found},
        {"wide and plain loops agree", wide_and_plain_loops_agree},
    };
    return TEST_RUN("data.scan", cases);
}

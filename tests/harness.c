/* Runs CUnit cases and turns their failures into an exit status; keeps the
 * temporary directory of a test. */
#include "harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/Basic.h>

static char tmpdir[256];

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tmpdir(void)
{
    if (tmpdir[0])
        nftw(tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_tmpdir(void)
{
    if (!tmpdir[0]) {
        const char *base = getenv("TMPDIR");

        snprintf(tmpdir, sizeof(tmpdir), "%s/fusor-test-XXXXXX",
                 base ? base : "/tmp");
        if (!mkdtemp(tmpdir)) {
            perror("mkdtemp");
            exit(1);
        }
        atexit(remove_tmpdir);
    }
    return tmpdir;
}

const char *test_write(const char *name, const char *text)
{
    static char path[16][512];
    static unsigned turn;
    char *p = path[turn++ % 16];
    FILE *f;

    snprintf(p, sizeof(path[0]), "%s/%s", test_tmpdir(), name);
    f = fopen(p, "wb");
    if (!f || fwrite(text, 1, strlen(text), f) != strlen(text) || fclose(f)) {
        perror(p);
        exit(1);
    }
    return p;
}

int test_close(double got, double want, double abs_tol, double rel_tol)
{
    int close = fabs(got - want) <= abs_tol + rel_tol * fabs(want);

    if (!close)
        fprintf(stderr, "got %.9g, want %.9g\n", got, want);
    return close;
}

int test_run(const char *suite, const struct test_case *cases, size_t n)
{
    CU_pSuite s;
    unsigned failures;
    size_t i;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    s = CU_add_suite(suite, NULL, NULL);
    if (!s)
        return 1;
    for (i = 0; i < n; i++)
        if (!CU_add_test(s, cases[i].name, cases[i].run))
            return 1;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    failures = CU_get_number_of_failures();
    if (CU_get_number_of_tests_run() == 0)
        failures = 1;
    CU_cleanup_registry();
    return failures ? 1 : 0;
}

/* What ranks conclude from each other's words. */
#include "job/facts.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static void the_first_failure_is_everyone_s_with_its_rank(void)
{
    struct vote v[3] = {{.host = "a"}, {.host = "b"}, {.host = "c"}};
    struct fusor_error err = {0};

    CHECK(facts_judge_votes(v, 3, &err) == FUSOR_OK);
    v[1].status = FUSOR_EDATA;
    snprintf(v[1].text, sizeof(v[1].text), "no such file");
    CHECK(facts_judge_votes(v, 3, &err) == FUSOR_EDATA);
    CHECK(strcmp(err.text, "rank 1 on b: no such file") == 0);
}

static void a_failure_all_have_needs_no_rank(void)
{
    struct vote v[2] = {{.status = FUSOR_EUSAGE, .text = "job.yaml:3: bad"},
                        {.status = FUSOR_EUSAGE, .text = "job.yaml:3: bad"}};
    struct fusor_error err = {0};

    CHECK(facts_judge_votes(v, 2, &err) == FUSOR_EUSAGE);
    CHECK(strcmp(err.text, "job.yaml:3: bad") == 0);
}

static void another_program_is_refused(void)
{
    char builds[2][BOOT_BUILD_MAX] = {"0.1.0-a", "0.1.0-a"};
    struct fusor_error err = {0};

    CHECK(facts_check_builds((const char(*)[BOOT_BUILD_MAX])builds, 2, &err) ==
          FUSOR_OK);
    builds[1][6] = 'b';
    CHECK(facts_check_builds((const char(*)[BOOT_BUILD_MAX])builds, 2, &err) ==
          FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "rank 1") != NULL);
}

static void other_kernels_matter_at_staleness_0_only(void)
{
    struct facts f[2] = {{.host = "a", .kernel = "Haswell/avx2"},
                         {.host = "b", .kernel = "SkylakeX/avx512"}};
    struct fusor_error err = {0};

    CHECK(facts_check(f, 2, 4, &err) == FUSOR_OK);
    CHECK(facts_check(f, 2, 0, &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "a computes with Haswell") != NULL);
    CHECK(strstr(err.text, "b with SkylakeX") != NULL);
}

static void another_job_file_is_refused(void)
{
    struct facts f[2] = {{.host = "a"}, {.host = "b", .job_hash = 1}};
    struct fusor_error err = {0};

    CHECK(facts_check(f, 2, 4, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "another job file") != NULL);
}

static void hosts_are_numbered_by_their_first_rank(void)
{
    struct facts f[4] = {
        {.machine = 9}, {.machine = 5}, {.machine = 9}, {.machine = 7}};
    struct placement_seat seats[4];

    f[3].cpus.word[2] = 6;
    CHECK(facts_seats(f, 4, seats) == 3);
    CHECK(seats[0].host == 0 && seats[1].host == 1 && seats[2].host == 0 &&
          seats[3].host == 2);
    CHECK(seats[3].cpus.word[2] == 6);
}

static void a_process_knows_itself(void)
{
    struct facts a, b;
    char first[BOOT_BUILD_MAX], again[BOOT_BUILD_MAX];
    uint64_t any = 0;

    facts_collect(&a);
    facts_collect(&b);
    CHECK(a.host[0] && a.kernel[0]);
    CHECK(a.machine == b.machine);
    for (int i = 0; i < MACHINE_WORDS; i++)
        any |= a.cpus.word[i];
    CHECK(any != 0);
    CHECK(facts_build(first, NULL) == FUSOR_OK);
    CHECK(facts_build(again, NULL) == FUSOR_OK);
    CHECK(memcmp(first, again, BOOT_BUILD_MAX) == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the first failure is everyone's, with its rank",
         the_first_failure_is_everyone_s_with_its_rank},
        {"a failure all have needs no rank", a_failure_all_have_needs_no_rank},
        {"another program is refused", another_program_is_refused},
        {"other kernels matter at staleness 0 only",
         other_kernels_matter_at_staleness_0_only},
        {"another job file is refused", another_job_file_is_refused},
        {"hosts are numbered by their first rank",
         hosts_are_numbered_by_their_first_rank},
        {"a process knows itself", a_process_knows_itself},
    };
    return TEST_RUN("job.facts", cases);
}

/* Environments that launchers make. */
#include "job/launcher.h"

#include <string.h>

#include "harness.h"

/* An environment: name, value, name, value, NULL. */
static const char *look_up(void *environment, const char *name)
{
    const char *const *pairs = environment;

    for (; pairs[0]; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static struct launcher detect(const char **pairs)
{
    return launcher_detect(look_up, pairs);
}

static void a_plain_shell_is_no_launcher(void)
{
    const char *env[] = {"HOME", "/", NULL};

    CHECK(!detect(env).present);
}

static void mpirun_says_size_and_rank(void)
{
    const char *env[] = {"OMPI_COMM_WORLD_SIZE",
                         "4",
                         "OMPI_COMM_WORLD_RANK",
                         "3",
                         "SLURM_NTASKS",
                         "8",
                         NULL};
    struct launcher l = detect(env);

    CHECK(l.present && l.size == 4 && l.rank == 3);
    CHECK(strcmp(l.name, "mpirun") == 0);
}

static void srun_with_pmix_counts_its_step(void)
{
    const char *env[] = {"SLURM_STEP_ID",
                         "0",
                         "SLURM_STEP_NUM_TASKS",
                         "2",
                         "SLURM_NTASKS",
                         "8",
                         "PMIX_RANK",
                         "1",
                         NULL};
    struct launcher l = detect(env);

    CHECK(l.present && l.size == 2 && l.rank == 1);
}

static void srun_without_pmix_is_a_launcher_too(void)
{
    const char *env[] = {
        "SLURM_STEP_ID", "0", "SLURM_NTASKS", "4", "SLURM_PROCID", "2", NULL};
    struct launcher l = detect(env);

    CHECK(l.present && l.size == 4 && l.rank == 2);
}

static void a_batch_script_s_own_shell_is_none_but_is_noted(void)
{
    const char *env[] = {"SLURM_NTASKS", "4", "SLURM_PROCID", "0", NULL};
    struct launcher l = detect(env);

    CHECK(!l.present && l.idle_tasks == 4);
}

static void numbers_that_are_none_are_not_believed(void)
{
    const char *env[] = {"OMPI_COMM_WORLD_SIZE", "four", "PMI_SIZE", "-2",
                         NULL};

    CHECK(!detect(env).present);
}

static void another_size_gives_the_line_to_use(void)
{
    struct launcher l = {.present = 1, .name = "srun", .size = 4};
    struct fusor_error err = {0};

    CHECK(launcher_check_size(&l, 4, "fusor train x", &err) == FUSOR_OK);
    CHECK(launcher_check_size(&l, 1, "fusor train x", &err) == FUSOR_ECLUSTER);
    CHECK(strstr(err.text, "srun --mpi=pmix -n 4 fusor train x") != NULL);
    l.size = 0;
    CHECK(launcher_check_size(&l, 1, "", NULL) == FUSOR_OK);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a plain shell is no launcher", a_plain_shell_is_no_launcher},
        {"mpirun says size and rank", mpirun_says_size_and_rank},
        {"srun with PMIx counts its step", srun_with_pmix_counts_its_step},
        {"srun without PMIx is a launcher too",
         srun_without_pmix_is_a_launcher_too},
        {"a batch script's own shell is none but is noted",
         a_batch_script_s_own_shell_is_none_but_is_noted},
        {"numbers that are none are not believed",
         numbers_that_are_none_are_not_believed},
        {"another size gives the line to use",
         another_size_gives_the_line_to_use},
    };
    return TEST_RUN("job.launcher", cases);
}

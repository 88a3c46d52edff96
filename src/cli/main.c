/* Entry of the program fusor: makes sure OpenBLAS runs its best kernels, then
 * finds the sub-command, and turns its status into one line and an exit code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "cli/config.h"
#include "cli/verb.h"
#include "cli/output.h"
#include "fusor/version.h"
#include "job/job.h"
#include "tensor/blas.h"

static int exit_with(enum fusor_status status, const struct fusor_error *err)
{
    /* A failure without words was reported by another process of the job. */
    if (status != FUSOR_OK && err->text[0])
        fprintf(stderr, "fusor: %s\n", err->text);
    return fusor_exit_code(status);
}

/* OpenBLAS reads its environment while it is loaded, before main: start over
 * once with the kernels this CPU can run, and without its thread pool, which
 * we never use. Ranks and roles inherit both. If exec fails we go on as we
 * are: slower, not wrong. */
static void restart_for_blas(char **argv)
{
    int change = 0;

    if (getenv("FUSOR_RESTARTED"))
        return;
    if (!getenv("OPENBLAS_NUM_THREADS"))
        change = setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0;
    if (!getenv("OPENBLAS_CORETYPE") && blas_kernel_is_low())
        change |= setenv("OPENBLAS_CORETYPE", blas_best_kernel(), 1) == 0;
    if (change && setenv("FUSOR_RESTARTED", "1", 1) == 0)
        execv("/proc/self/exe", argv);
}

static enum fusor_status limit_cpu(struct fusor_error *err)
{
    const char *wish = getenv("FUSOR_CPU");

    for (int level = CPU_PLAIN; wish && level <= CPU_AVX512; level++) {
        if (strcmp(wish, cpu_level_name((enum cpu_level)level)))
            continue;
        cpu_limit_level((enum cpu_level)level);
        return FUSOR_OK;
    }
    if (!wish)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "environment: FUSOR_CPU is \"%s\", but must be plain, "
                      "avx2 or avx512",
                      wish);
}

/* @param name, part NULL: not given */
static enum fusor_status show_help(const char *name, const char *part,
                                   struct fusor_error *err)
{
    struct strbuf text = {0};
    const struct verb *c = NULL;

    if (name && !strcmp(name, "settings")) {
        FUSOR_TRY(config_help(part, &text, err));
        return output_text(&text, err);
    }
    if (name && !(c = verb_find(name, err)))
        return FUSOR_EUSAGE;
    if (c && c->parts && part && part[0] != '-' &&
        !(c = verb_find_part(c, part, err)))
        return FUSOR_EUSAGE;
    if (c)
        verb_help(c, &text);
    else
        verb_help_all(&text);
    return output_text(&text, err);
}

static int wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return 1;
    return 0;
}

/* @param first word of argv that is the command's */
static enum fusor_status run(const struct verb *c, int argc, char **argv,
                             int first, struct fusor_error *err)
{
    struct fusor_error why;
    struct args a;
    enum fusor_status rc;

    rc = args_parse(&c->args, argc, argv, first, &a, &why);
    if (rc != FUSOR_OK && c->give_up)
        return c->give_up(&why, argc, argv, err);
    if (rc != FUSOR_OK) {
        *err = why;
        return rc;
    }
    rc = c->run(&a, err);
    args_clear(&a);
    return rc;
}

/* A command that needs words and got none explains itself. */
static int explain(const struct verb *c)
{
    struct strbuf text = {0};

    verb_help(c, &text);
    fputs(text.s ? text.s : "", stderr);
    strbuf_clear(&text);
    return fusor_exit_code(FUSOR_EUSAGE);
}

/* mpirun starts every command once a rank, but only some know ranks. The others
 * leave with 0: a failure would make mpirun kill the one that works. */
static int is_superfluous(int argc, char **argv)
{
    const struct verb *c = argc > 1 ? verb_find(argv[1], NULL) : NULL;

    return !(c && c->collective) && !job_is_first();
}

int main(int argc, char **argv)
{
    struct fusor_error err = {FUSOR_OK, ""};
    const struct verb *c;
    int first = 2;

    restart_for_blas(argv);
    log_set_plain("fusor");
    if (is_superfluous(argc, argv))
        return 0;
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help"))
        return exit_with(show_help(argc > 2 ? argv[2] : NULL,
                                   argc > 3 ? argv[3] : NULL, &err),
                         &err);
    if (!strcmp(argv[1], "--version")) {
        puts("fusor " FUSOR_VERSION);
        return 0;
    }
    if (limit_cpu(&err) != FUSOR_OK || !(c = verb_find(argv[1], &err)))
        return exit_with(FUSOR_EUSAGE, &err);
    if (c->take_over)
        return c->take_over(argc, argv);
    if (wants_help(argc, argv))
        return exit_with(show_help(c->name, argv[2], &err), &err);
    if (argc == 2 && (c->parts || c->args.min_rest > 0))
        return explain(c);
    if (c->parts) {
        if (!(c = verb_find_part(c, argv[2], &err)))
            return exit_with(FUSOR_EUSAGE, &err);
        if (argc == 3 && c->args.min_rest > 0)
            return explain(c);
        first++;
    }
    return exit_with(run(c, argc, argv, first, &err), &err);
}

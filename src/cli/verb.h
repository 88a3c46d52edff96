/* The sub-commands of fusor: one file and one line in the registry each.
 *
 * What a command prints on stdout is data; everything said to a person about
 * how it went goes to stderr. A failure is returned and printed once, by main.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "cli/args.h"

struct verb {
    const char *name;
    const char *help;                     // one line
    const char *synopsis;                 // after the name
    const char *about;                    // more lines, or NULL
    const char *examples;                 // lines, or NULL
    void (*describe)(struct strbuf *out); // after about: lines of a registry
    struct arg_table args;
    const struct verb *const *parts; // instead of run: its own commands,
                                     // named "bench pull", ending with NULL
    int hidden;                      // not in the list
    int collective; // under mpirun every rank runs it; else rank 0 alone
    enum fusor_status (*run)(struct args *a, struct fusor_error *err);
    /** Instead of run: takes the whole command line, gives the exit code. */
    int (*take_over)(int argc, char **argv);
    /** What to do with a wrong command line instead of just returning it: the
     * ranks of a job leave together. NULL: nothing. */
    enum fusor_status (*give_up)(const struct fusor_error *why, int argc,
                                 char **argv, struct fusor_error *err);
};

/** All commands, ending with NULL. */
const struct verb *const *verb_list(void);
/** @return NULL, with the nearest name in *err, when there is none */
const struct verb *verb_find(const char *name, struct fusor_error *err);
/** The command of c that a word of the command line names.
 * @return NULL, with the names there are in *err, when there is none */
const struct verb *verb_find_part(const struct verb *c, const char *word,
                                  struct fusor_error *err);
/** The list of commands, and how to begin. */
void verb_help_all(struct strbuf *out);
void verb_help(const struct verb *c, struct strbuf *out);

extern const struct verb verb_bench, verb_compare, verb_doctor, verb_evaluate,
    verb_explain, verb_forget, verb_fuse, verb_generate, verb_inspect,
    verb_prepare, verb_recommend, verb_search, verb_role, verb_scores,
    verb_train;
/* Those of bench. */
extern const struct verb verb_bench_train, verb_bench_pull, verb_bench_push,
    verb_bench_latency, verb_bench_dense, verb_bench_rows, verb_bench_gemm;

#endif

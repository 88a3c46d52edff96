/* The words after a sub-command: long options by a table, positional words, and
 * settings of an option table (base/option.h) as options of the same name.
 *
 *     --name VALUE, --name=VALUE, --flag, -l VALUE (a letter), -- (no options
 *     from here on); "-" alone is a positional word.
 *
 * A setting "max_bad" is written --max-bad N; a boolean one --dedupe or
 * --dedupe=false. Texts are borrowed from argv. Threads: one. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/option.h"

struct arg_spec {
    const char *name;  // without the dashes; NULL ends a table
    char letter;       // short form, or 0
    const char *value; // what the help calls its value; NULL: a flag;
                       // "[X]": may be left out, only --name=X gives one
    const char *help;
};

#define ARG_END             \
    {                       \
        NULL, 0, NULL, NULL \
    }

struct arg_table {
    const char *command;                // in errors
    const struct arg_spec *specs;       // or NULL: none
    const struct option_spec *settings; // or NULL: none
    const char *rest;                   // positional words: "JOB", or NULL
    size_t min_rest, max_rest;
};

struct arg_value {
    const struct arg_spec *spec;
    const char *text; // "" for a flag
};

struct args {
    const struct arg_table *table;
    struct arg_value *values; // as given
    size_t n_values;
    const char **rest;
    size_t n_rest;
    struct yaml *settings; // a map; its values are named "--name" in errors
    int argc;              // of the process
    char **argv;
};

/** @param argv the whole command line; words from argv[first] on are parsed
 * @param out release with args_clear()
 * @return FUSOR_EUSAGE: an unknown option (with the nearest name), a missing or
 * superfluous value or word; FUSOR_ENOMEM */
enum fusor_status args_parse(const struct arg_table *table, int argc,
                             char **argv, int first, struct args *out,
                             struct fusor_error *err);
void args_clear(struct args *a);

/** The last value given to an option, or NULL. */
const char *args_value(const struct args *a, const char *name);
int args_flag(const struct args *a, const char *name);
/** The i-th value of an option that may be repeated; NULL beyond the last. */
const char *args_nth(const struct args *a, const char *name, size_t i);
/** A whole number given to an option.
 * @param out left alone when it was not given
 * @return FUSOR_EUSAGE: no whole number from lo to hi */
enum fusor_status args_integer(const struct args *a, const char *name,
                               int64_t lo, int64_t hi, int64_t *out,
                               struct fusor_error *err);
/** Cut "a,b" into names. @param text NULL gives none
 * @param copy set to what the names point into; mem_free() it
 * @return FUSOR_EUSAGE: an empty name, or more than max */
enum fusor_status args_split(const char *text, const char *option, char **copy,
                             const char **names, size_t max, size_t *n,
                             struct fusor_error *err);

/** Two columns: options, what they are. */
void args_help(const struct arg_table *table, struct strbuf *out);

#endif

/* A job's configuration from its four origins, the first one that speaks wins:
 * --set a.b=c, then the environment (FUSOR_A_B), then the job file, then the
 * defaults of the option tables.
 *
 * The environment is heard for the names the option tables know: section and
 * setting in capitals, FUSOR_TRAIN_EPOCHS for train.epochs. A name that begins
 * with a section but is no setting is an error, as an unknown key of the file
 * is.
 *
 * Threads: one, since it reads the environment. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "base/option.h"

/** What can be set in the sections that are all an option table, and in
 * `optimizer`.
 * @param section one of them; NULL: all
 * @return FUSOR_EUSAGE: there is none of this name */
enum fusor_status config_help(const char *section, struct strbuf *out,
                              struct fusor_error *err);

/** Put FUSOR_* of the environment into the tree.
 * @param environment "NAME=value" strings, NULL-terminated
 * @return FUSOR_EUSAGE naming the variable */
enum fusor_status config_environment(struct yaml *job, char **environment,
                                     struct fusor_error *err);
/** One "a.b=value" of --set. */
enum fusor_status config_set(struct yaml *job, const char *assignment,
                             struct fusor_error *err);
/** Read a job file and apply the environment.
 * @param out destroy with yaml_destroy() */
enum fusor_status config_read(const char *path, struct yaml **out,
                              struct fusor_error *err);
/** The job as YAML with the origin of each value, defaults included. */
enum fusor_status config_print(struct yaml *job, struct strbuf *out,
                               struct fusor_error *err);

#endif

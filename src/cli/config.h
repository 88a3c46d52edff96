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

/* One section of the job file that is all an option table. */
struct config_section {
    const char *name; // "train"
    const struct option_spec *specs;
    size_t size; // of the struct the table fills
};

/** Sections of this build, ending with a NULL name. */
const struct config_section *config_sections(void);

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

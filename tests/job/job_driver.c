/* The smallest program around the job layer, for tests that need whole
 * processes:
 *
 *     job_driver make DIR       generated data, prepared, in DIR/parts
 *     job_driver train JOB [--run-dir DIR] [--resume] [--set KEY=VALUE]...
 *     job_driver role ...       started by the job layer itself
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/yaml.h"
#include "data/generate.h"
#include "data/prepare.h"
#include "job/job.h"

static enum fusor_status make_data(const char *dir, struct fusor_error *err)
{
    struct generate_options g = {
        .users = 400, .items = 300, .events = 20000, .seed = 7};
    struct prepare_report report;
    struct prepare_options p;
    char raw[FS_PATH_MAX], parts[FS_PATH_MAX];
    struct yaml *y;
    enum fusor_status rc;

    g.out = fs_join(raw, dir, "raw");
    FUSOR_TRY(generate_run(&g, err));
    FUSOR_TRY(yaml_parse("{}", 2, "prepare", &y, err));
    rc = yaml_set(y, "input", raw, "make", err);
    if (rc == FUSOR_OK)
        rc = yaml_set(y, "out", fs_join(parts, dir, "parts"), "make", err);
    if (rc == FUSOR_OK)
        rc = yaml_set(y, "protocol", "loo-full", "make", err);
    if (rc == FUSOR_OK)
        rc =
            option_read(prepare_option_specs, yaml_root(y), "prepare", &p, err);
    if (rc == FUSOR_OK)
        rc = prepare_run(&p, &report, err);
    yaml_destroy(y);
    return rc;
}

static enum fusor_status set_value(struct yaml *job, char *text,
                                   struct fusor_error *err)
{
    char *value = strchr(text, '=');

    if (!value)
        return fusor_fail(err, FUSOR_EUSAGE, "--set %s: no =", text);
    *value = '\0';
    return yaml_set(job, text, value + 1, "--set", err);
}

static enum fusor_status read_values(struct yaml *job, int argc, char **argv,
                                     struct fusor_error *err)
{
    for (int i = 3; i + 1 < argc; i++)
        if (strcmp(argv[i], "--set") == 0)
            FUSOR_TRY(set_value(job, argv[i + 1], err));
    return FUSOR_OK;
}

static enum fusor_status train(int argc, char **argv, struct fusor_error *err)
{
    struct job_options options;
    struct yaml *job = NULL;
    enum fusor_status rc = yaml_read(argv[2], &job, err);

    if (rc == FUSOR_OK)
        rc = read_values(job, argc, argv, err);
    if (rc == FUSOR_OK)
        rc = job_options_read(job, &options, err);
    if (rc != FUSOR_OK) {
        struct fusor_error why = *err;

        rc = job_give_up(&why, argc, argv, err);
        yaml_destroy(job);
        return rc;
    }
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--run-dir") == 0 && i + 1 < argc)
            options.run_dir = argv[i + 1];
        if (strcmp(argv[i], "--resume") == 0)
            options.resume = 1;
    }
    options.name = "test";
    rc = job_train(job, &options, argc, argv, err);
    yaml_destroy(job);
    return rc;
}

int main(int argc, char **argv)
{
    struct fusor_error err = {0};
    enum fusor_status rc;

    if (argc >= 2 && strcmp(argv[1], "role") == 0)
        return job_role_main(argc, argv);
    log_set_plain("fusor");
    if (argc >= 3 && strcmp(argv[1], "make") == 0)
        rc = make_data(argv[2], &err);
    else if (argc >= 3 && strcmp(argv[1], "train") == 0)
        rc = train(argc, argv, &err);
    else
        rc = fusor_fail(&err, FUSOR_EUSAGE, "job_driver make|train|role");
    if (rc != FUSOR_OK && err.text[0])
        fprintf(stderr, "fusor: %s\n", err.text);
    return fusor_exit_code(rc);
}

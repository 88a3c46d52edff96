/* fusor forget: a user taken out of a prepared folder and of the checkpoints of
 * runs that were trained on it. The runs come first: the folder is what knows
 * the user's id. */
#define _GNU_SOURCE /* realpath */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "data/privacy_forget.h"
#include "job/run_dir.h"
#include "store/checkpoint.h"
#include "train/workload.h"

#define MAX_ROWS 64 /* ways in which one run's tables can hold a user */

static const struct arg_spec specs[] = {
    {"user", 'u', "ID", "whom, as written in the raw data"},
    {"run", 0, "RUN", "a run trained on the folder; may be repeated"},
    {"hash-ids", 0, "KEY", "the key of prepare --hash-ids, or @FILE"},
    {"json", 0, NULL, "what was removed, as JSON on stdout"},
    ARG_END,
};

/* What is to be forgotten, and what was found. */
struct forget {
    const char *dir, *user;
    struct schema *schema;
    uint32_t id;
    struct forget_report report;
    struct json json;
    struct strbuf text;
};

/* A run at hand: which rows of which tables are the user's. */
struct run_rows {
    struct checkpoint_row rows[MAX_ROWS];
    char names[MAX_ROWS][PARAM_NAME_MAX];
    size_t n;
};

static enum fusor_status same_folder(const char *run, const char *of_job,
                                     const char *dir, struct fusor_error *err)
{
    char a[FS_PATH_MAX * 4], b[FS_PATH_MAX * 4];

    if (!realpath(of_job, a))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: its prepared folder %s cannot be found (%s): "
                          "start where the run was started",
                          run, of_job, strerror(errno));
    if (!realpath(dir, b))
        return fusor_fail(err, FUSOR_EIO, "%s: %s", dir, strerror(errno));
    if (strcmp(a, b))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s was trained on %s, where ids mean other users "
                          "than in %s",
                          run, of_job, dir);
    return FUSOR_OK;
}

/* Every way a table is read by a field with ids of the same vocabulary. */
static enum fusor_status find_rows(const struct forget *f,
                                   const struct workload *w,
                                   struct run_rows *out,
                                   struct fusor_error *err)
{
    uint32_t vocab = f->schema->fields[f->schema->query_key].spec.vocab;
    uint32_t n, n_fields;
    const struct model_lookup *looks = model_lookups(w->model, &n);
    const struct field_spec *fields = model_fields(w->model, &n_fields);

    out->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct field_spec *field = &fields[looks[i].field];

        if (field->vocab != vocab || field->type == FIELD_DENSE ||
            field->type == FIELD_VECTOR)
            continue;
        if (out->n == MAX_ROWS)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "more than %d ways to read users", MAX_ROWS);
        memcpy(out->names[out->n], w->params->tables[looks[i].table].name,
               PARAM_NAME_MAX);
        out->rows[out->n].table = out->names[out->n];
        out->rows[out->n++].key = f->id + looks[i].salt;
    }
    return FUSOR_OK;
}

static enum fusor_status read_run(const struct forget *f, const char *run,
                                  const char *config, struct run_rows *out,
                                  struct fusor_error *err)
{
    struct workload *w = NULL;
    struct yaml_node *node;
    struct yaml *job = NULL;
    const char *dir = "";
    enum fusor_status rc;

    if (!config)
        return fusor_fail(err, FUSOR_EDATA, "%s: holds no job", run);
    FUSOR_TRY(yaml_parse(config, strlen(config), run, &job, err));
    node = yaml_get(yaml_root(job), "data");
    node = node && node->kind == YAML_MAP ? yaml_get(node, "prepared") : NULL;
    rc = node ? yaml_to_text(node, &dir, err)
              : fusor_fail(err, FUSOR_EDATA, "%s: its job has no data", run);
    if (rc == FUSOR_OK)
        rc = same_folder(run, dir, f->dir, err);
    if (rc == FUSOR_OK)
        rc = workload_create(job, &w, err);
    if (rc == FUSOR_OK)
        rc = find_rows(f, w, out, err);
    workload_destroy(w);
    yaml_destroy(job);
    return rc;
}

/* One checkpoint; one that was never finished goes as a whole. */
static enum fusor_status clean_checkpoint(const struct forget *f,
                                          const char *run, const char *root,
                                          const char *name, uint64_t *removed,
                                          uint64_t *unfinished,
                                          struct fusor_error *err)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX];
    struct checkpoint *cp = NULL;
    struct run_rows rows;
    enum fusor_status rc;
    uint64_t n = 0;

    *removed = 0;
    if (!fs_is_dir(fs_join(dir, root, name)))
        return FUSOR_OK; // latest, best
    if (!fs_exists(fs_join(path, dir, CHECKPOINT_MANIFEST))) {
        ++*unfinished;
        return fs_remove_tree(dir, err);
    }
    FUSOR_TRY(checkpoint_open(dir, &cp, err));
    rc = read_run(f, run, checkpoint_info(cp)->config, &rows, err);
    checkpoint_close(cp);
    if (rc == FUSOR_OK)
        rc = checkpoint_forget(root, name, rows.rows, rows.n, &n, err);
    *removed = n;
    return rc;
}

/* What stages found for queries and rows, by their numbers, while they trained.
 */
static enum fusor_status clean_found(const char *run, struct fusor_error *err)
{
    static const char *const folders[] = {"negatives", "out_of_fold"};
    char dir[FS_PATH_MAX];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (fs_is_dir(fs_join(dir, run, folders[i])))
            FUSOR_TRY(fs_remove_tree(dir, err));
    return FUSOR_OK;
}

static enum fusor_status clean_run(struct forget *f, const char *run,
                                   struct fusor_error *err)
{
    uint64_t rows = 0, n, unfinished = 0;
    struct fs_list list = {0};
    char root[FS_PATH_MAX];
    enum fusor_status rc;

    if (!fs_is_dir(fs_join(root, run, "checkpoints")))
        return fusor_fail(err, FUSOR_EUSAGE, "%s: no run directory", run);
    if (run_dir_is_held(run))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: its job is alive: stop it first, or it writes "
                          "the user again",
                          run);
    rc = fs_list_dir(root, &list, err);
    for (size_t i = 0; rc == FUSOR_OK && i < list.n; i++) {
        rc =
            clean_checkpoint(f, run, root, list.names[i], &n, &unfinished, err);
        rows += n;
    }
    fs_list_clear(&list);
    if (rc == FUSOR_OK)
        rc = clean_found(run, err);
    json_begin_object(&f->json, NULL);
    json_string(&f->json, "run", run);
    json_uint(&f->json, "rows", rows);
    json_uint(&f->json, "unfinished_checkpoints", unfinished);
    json_end_object(&f->json);
    strbuf_addf(&f->text, "  %s: %llu rows of its checkpoints' tables", run,
                (unsigned long long)rows);
    if (unfinished)
        strbuf_addf(&f->text, ", %llu unfinished checkpoints",
                    (unsigned long long)unfinished);
    strbuf_add(&f->text, "\n");
    return rc;
}

static enum fusor_status clean_all(struct forget *f, const struct args *a,
                                   struct fusor_error *err)
{
    f->schema = mem_alloc(1, sizeof(*f->schema));
    if (!f->schema)
        return mem_fail(err, "schema", sizeof(*f->schema));
    FUSOR_TRY(schema_read(f->dir, f->schema, err));
    FUSOR_TRY(forget_find(f->dir, f->schema, f->user, args_value(a, "hash-ids"),
                          &f->id, err));
    json_begin_object(&f->json, NULL);
    json_begin_array(&f->json, "runs");
    for (size_t i = 0; args_nth(a, "run", i); i++)
        FUSOR_TRY(clean_run(f, args_nth(a, "run", i), err));
    json_end_array(&f->json);
    FUSOR_TRY(forget_query(f->dir, f->schema, f->id, &f->report, err));
    json_string(&f->json, "prepared", f->dir);
    json_uint(&f->json, "rows", f->report.rows);
    json_uint(&f->json, "candidate_lists", f->report.candidates);
    json_uint(&f->json, "mentions", f->report.mentions);
    json_uint(&f->json, "files", f->report.files);
    json_end_object(&f->json);
    strbuf_addf(&f->text,
                "  %s: %llu rows, %llu lists of candidates, %llu mentions in "
                "other columns, the id; %u files written anew\n",
                f->dir, (unsigned long long)f->report.rows,
                (unsigned long long)f->report.candidates,
                (unsigned long long)f->report.mentions, f->report.files);
    return FUSOR_OK;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct forget f = {.dir = a->rest[0],
                       .user = args_value(a, "user"),
                       .json = {.pretty = 1}};
    enum fusor_status rc;

    if (!f.user)
        return fusor_fail(err, FUSOR_EUSAGE, "forget: --user ID is missing");
    strbuf_add(&f.text, "removed:\n");
    rc = clean_all(&f, a, err);
    mem_free(f.schema);
    if (rc == FUSOR_OK && args_flag(a, "json")) {
        strbuf_clear(&f.text);
        return output_json(&f.json, err);
    }
    json_clear(&f.json);
    if (rc == FUSOR_OK)
        return output_text(&f.text, err);
    strbuf_clear(&f.text);
    return rc;
}

const struct verb verb_forget = {
    .name = "forget",
    .help = "take a user out of a prepared folder and of runs",
    .synopsis = "PREPARED --user ID [--run RUN]...",
    .about =
        "Removes the user's rows from every part, the given candidates, the "
        "values in the\nside table, the name in the vocabulary, and the rows "
        "of embedding tables in all\ncheckpoints of the runs, and what their "
        "stages found for rows and "
        "queries (hard\nnegatives, scores out of fold). Name all runs at once: "
        "afterwards nobody knows the id.\nWhat other rows learnt "
        "from the user stays until the model is trained again; raw\nfiles, "
        "score files and copies elsewhere are yours to clean.\n",
    .examples = "  fusor forget parts/shop --user 4711 --run runs/a --run "
                "runs/b\n",
    .args = {"forget", specs, NULL, "PREPARED", 1, 1},
    .run = run,
};

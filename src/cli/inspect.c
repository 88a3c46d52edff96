/* fusor inspect: what a run directory, a prepared folder, a checkpoint or a
 * part file is, and what is in it. Each kind fills one JSON object, which is
 * printed as it is or as indented lines. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli/output.h"
#include "cli/summary.h"
#include "cli/verb.h"
#include "data/part.h"
#include "data/schema.h"
#include "job/run_dir.h"
#include "store/checkpoint.h"

#define TAIL_MAX ((size_t)1 << 30)

static const struct arg_spec specs[] = {
    {"digest", 0, NULL, "one number for all parameters of a checkpoint"},
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

static int holds(const char *dir, const char *name)
{
    char path[FS_PATH_MAX];

    return fs_exists(fs_join(path, dir, name));
}

static void put_hex(struct json *j, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%016llx", (unsigned long long)value);
    json_string(j, key, text);
}

static const char *side_name(enum field_side side)
{
    return side == SIDE_QUERY ? "query" : side == SIDE_ITEM ? "item" : "row";
}

static void put_field(struct json *j, const struct schema_field *f)
{
    json_begin_object(j, f->spec.name);
    json_string(j, "type", field_type_name(f->spec.type));
    json_string(j, "side", side_name(f->spec.side));
    if (f->is_key)
        json_bool(j, "key", 1);
    if (f->spec.type == FIELD_DENSE || f->spec.type == FIELD_VECTOR) {
        json_uint(j, "width", f->spec.width);
        json_number(j, "min", f->min);
        json_number(j, "max", f->max);
        json_number(j, "mean", f->mean);
        json_number(j, "std", f->std);
    } else if (f->spec.cardinality) {
        json_uint(j, "values", f->spec.cardinality);
    } else {
        json_string(j, "values", "hashed");
    }
    if (f->spec.max_values > 1)
        json_uint(j, "longest", f->spec.max_values);
    if (f->transform[0])
        json_string(j, "transform", f->transform);
    json_end_object(j);
}

static void put_schema(struct json *j, const struct schema *s)
{
    json_string(j, "protocol", s->protocol);
    json_uint(j, "protocol_version", s->protocol_version);
    if (s->candidates_hash)
        put_hex(j, "candidates", s->candidates_hash);
    if (s->n_folds)
        json_uint(j, "folds", s->n_folds);
    json_begin_object(j, "rows");
    json_uint(j, s->n_folds ? "all" : "train", s->n_train);
    json_uint(j, "valid", s->n_valid);
    json_uint(j, "test", s->n_test);
    json_end_object(j);
    json_begin_object(j, "label");
    json_string(j, "name", s->label);
    json_number(j, "min", s->label_min);
    json_number(j, "max", s->label_max);
    json_end_object(j);
    json_bool(j, "times", s->has_time);
    json_bool(j, "weights", s->has_weight);
    json_begin_object(j, "fields");
    for (uint32_t i = 0; i < s->n_fields; i++)
        put_field(j, &s->fields[i]);
    json_end_object(j);
}

static enum fusor_status inspect_prepared(const char *dir, struct json *j,
                                          struct fusor_error *err)
{
    struct schema *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "schema", sizeof(*s));
    rc = schema_read(dir, s, err);
    if (rc == FUSOR_OK) {
        json_string(j, "is", "prepared folder");
        put_schema(j, s);
    }
    mem_free(s);
    return rc;
}

static enum fusor_status inspect_part(const char *path, struct json *j,
                                      struct fusor_error *err)
{
    static const char *const types[] = {
        [COLUMN_F32] = "f32", [COLUMN_U8] = "u8",   [COLUMN_U32] = "u32",
        [COLUMN_U64] = "u64", [COLUMN_I64] = "i64", [COLUMN_LIST] = "list",
    };
    struct part *p;

    FUSOR_TRY(part_open(path, &p, err));
    json_string(j, "is", "part file, every checksum right");
    json_uint(j, "rows", part_rows(p));
    json_begin_object(j, "columns");
    for (size_t i = 0; i < part_columns(p); i++) {
        const struct column_view *c = part_column(p, i);

        json_begin_object(j, c->spec.name);
        json_string(j, "type", types[c->spec.type]);
        if (c->spec.width > 1)
            json_uint(j, "width", c->spec.width);
        if (c->spec.type == COLUMN_LIST)
            json_uint(j, "values", c->n_values);
        json_end_object(j);
    }
    json_end_object(j);
    part_close(p);
    return FUSOR_OK;
}

static void put_tables(struct json *j, const struct checkpoint *cp,
                       struct yaml_node *tables)
{
    json_begin_object(j, "rows");
    for (size_t i = 0; tables && tables->kind == YAML_MAP && i < tables->n; i++)
        json_uint(j, tables->keys[i], checkpoint_n_rows(cp, tables->keys[i]));
    json_end_object(j);
}

static enum fusor_status put_digest(struct json *j, struct checkpoint *cp,
                                    struct fusor_error *err)
{
    uint64_t digest;

    FUSOR_TRY(checkpoint_digest(cp, &digest, err));
    put_hex(j, "digest", digest);
    return FUSOR_OK;
}

static enum fusor_status inspect_checkpoint(const char *dir, int digest,
                                            struct json *j,
                                            struct fusor_error *err)
{
    struct checkpoint *cp;
    const struct checkpoint_info *info;
    struct yaml *job = NULL;
    enum fusor_status rc = FUSOR_OK;

    FUSOR_TRY(checkpoint_open(dir, &cp, err));
    info = checkpoint_info(cp);
    json_string(j, "is", "checkpoint");
    put_hex(j, "job", info->job_id);
    json_string(j, "stage", info->stage);
    json_uint(j, "epoch", info->epoch);
    json_uint(j, "clock", info->clock);
    json_uint(j, "samples_done", info->samples_done);
    json_uint(j, "shards", checkpoint_n_parts(cp));
    if (info->config && yaml_parse(info->config, strlen(info->config), dir,
                                   &job, NULL) == FUSOR_OK)
        put_tables(j, cp, yaml_get(yaml_root(job), "tables"));
    yaml_destroy(job);
    if (digest)
        rc = put_digest(j, cp, err);
    checkpoint_close(cp);
    return rc;
}

/* The text of a file that is whole JSON.
 * @return FUSOR_OK with *text the caller's, NULL when there is no such file */
static enum fusor_status read_json(const char *dir, const char *name,
                                   char **text, struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct yaml *y;
    size_t n;

    *text = NULL;
    fs_join(path, dir, name);
    if (!fs_exists(path))
        return FUSOR_OK;
    FUSOR_TRY(yaml_read(path, &y, err));
    yaml_destroy(y);
    FUSOR_TRY(fs_read(path, TAIL_MAX, text, &n, err));
    while (n && ((*text)[n - 1] == '\n' || (*text)[n - 1] == ' '))
        (*text)[--n] = '\0';
    return FUSOR_OK;
}

static enum fusor_status put_file(struct json *j, const char *key,
                                  const char *dir, const char *name,
                                  struct fusor_error *err)
{
    char *text;

    FUSOR_TRY(read_json(dir, name, &text, err));
    if (text)
        json_raw(j, key, text);
    mem_free(text);
    return FUSOR_OK;
}

/* A job that was killed with its supervisor could not write down its end: it is
 * running only while a process holds the run directory. */
static enum fusor_status put_status(struct json *j, const char *dir,
                                    struct fusor_error *err)
{
    static const char running[] = "\"state\": \"running\"";
    struct strbuf lost = {0};
    char *text, *at;

    FUSOR_TRY(read_json(dir, "status.json", &text, err));
    at = text && !run_dir_is_held(dir) ? strstr(text, running) : NULL;
    if (at) {
        strbuf_add_n(&lost, text, (size_t)(at - text));
        strbuf_add(&lost, "\"state\": \"lost: its process is gone\"");
        strbuf_add(&lost, at + sizeof(running) - 1);
    }
    if (text)
        json_raw(j, "status", lost.s ? lost.s : text);
    j->text.failed |= lost.failed;
    strbuf_clear(&lost);
    mem_free(text);
    return FUSOR_OK;
}

/* One epoch's line of metrics.jsonl. A last line that a crash cut off is no
 * reason to hide the others. */
static void put_towers_line(struct json *j, const char *name, const char *line,
                            size_t n)
{
    struct yaml *y;
    struct yaml_node *weights;
    const char *text;

    if (yaml_parse(line, n, "metrics.jsonl", &y, NULL) != FUSOR_OK)
        return;
    weights = yaml_get(yaml_root(y), name);
    if (weights && weights->kind == YAML_MAP) {
        static const char *const place[] = {"stage", "epoch"};
        double v;

        json_begin_object(j, NULL);
        for (int i = 0; i < 2; i++) {
            const struct yaml_node *at = yaml_get(yaml_root(y), place[i]);

            if (at && yaml_to_double(at, &v, NULL) == FUSOR_OK)
                json_number(j, place[i], v);
        }
        for (size_t i = 0; i < weights->n; i++)
            if (yaml_to_text(weights->items[i], &text, NULL) == FUSOR_OK &&
                str_to_double(text, &v) == 0)
                json_number(j, weights->keys[i], v);
        json_end_object(j);
    }
    yaml_destroy(y);
}

/* The towers' weights in the fusion, or their shares, epoch by epoch. */
static void put_towers(struct json *j, const char *name, const char *text)
{
    if (!strstr(text, name))
        return;
    json_begin_array(j, name);
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n)
            put_towers_line(j, name, text, n);
        text += n + (text[n] == '\n');
    }
    json_end_array(j);
}

static enum fusor_status put_last_epoch(struct json *j, const char *dir,
                                        struct fusor_error *err)
{
    char path[FS_PATH_MAX], *text, *last;
    uint64_t lines = 0;
    size_t n;

    fs_join(path, dir, "metrics.jsonl");
    if (!fs_exists(path))
        return FUSOR_OK;
    FUSOR_TRY(fs_read(path, TAIL_MAX, &text, &n, err));
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    put_towers(j, "fusion_weights", text);
    put_towers(j, "fusion_shares", text);
    while (n && text[n - 1] == '\n')
        text[--n] = '\0';
    last = strrchr(text, '\n');
    json_uint(j, "epochs", lines);
    if (n)
        json_raw(j, "last_epoch", last ? last + 1 : text);
    mem_free(text);
    return FUSOR_OK;
}

static enum fusor_status put_newest(struct json *j, const char *dir, int digest,
                                    struct fusor_error *err)
{
    char root[FS_PATH_MAX], newest[FS_PATH_MAX];
    enum fusor_status rc;

    fs_join(root, dir, "checkpoints");
    if (!holds(root, CHECKPOINT_LATEST) && digest)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s holds no checkpoint, so there is no --digest",
                          dir);
    if (!holds(root, CHECKPOINT_LATEST))
        return FUSOR_OK;
    FUSOR_TRY(checkpoint_latest(root, newest, err));
    json_begin_object(j, "checkpoint");
    json_string(j, "folder", newest);
    rc = inspect_checkpoint(newest, digest, j, err);
    json_end_object(j);
    return rc;
}

static enum fusor_status inspect_run(const char *dir, int digest,
                                     struct json *j, struct fusor_error *err)
{
    json_string(j, "is", "run directory");
    FUSOR_TRY(put_status(j, dir, err));
    FUSOR_TRY(put_last_epoch(j, dir, err));
    FUSOR_TRY(put_file(j, "result", dir, "result.json", err));
    return put_newest(j, dir, digest, err);
}

static int is_run(const char *path)
{
    return !holds(path, SUMMARY_FILE) &&
           (holds(path, "status.json") || holds(path, "checkpoints"));
}

static enum fusor_status inspect(const char *path, int digest, struct json *j,
                                 struct fusor_error *err)
{
    if (!fs_exists(path))
        return fusor_fail(err, FUSOR_EUSAGE, "%s does not exist", path);
    if (digest && !holds(path, CHECKPOINT_MANIFEST) && !is_run(path))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--digest: %s is neither a checkpoint nor a run "
                          "directory",
                          path);
    if (!fs_is_dir(path))
        return inspect_part(path, j, err);
    if (holds(path, "schema.yaml"))
        return inspect_prepared(path, j, err);
    if (holds(path, CHECKPOINT_MANIFEST))
        return inspect_checkpoint(path, digest, j, err);
    if (holds(path, SUMMARY_FILE)) {
        json_string(j, "is", "runs of one job");
        return put_file(j, "summary", path, SUMMARY_FILE, err);
    }
    if (is_run(path))
        return inspect_run(path, digest, j, err);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "%s is neither a run directory nor a prepared folder nor "
                      "a checkpoint",
                      path);
}

/* The object as YAML: the same, for people. */
static enum fusor_status print_lines(const struct json *j,
                                     struct fusor_error *err)
{
    struct strbuf text = {0};
    struct yaml *y;

    if (j->text.failed)
        return mem_fail(err, "inspect", j->text.len);
    FUSOR_TRY(yaml_parse(j->text.s, j->text.len, "inspect", &y, err));
    yaml_print(yaml_root(y), 0, &text);
    yaml_destroy(y);
    return output_text(&text, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct json j = {.pretty = 1};
    enum fusor_status rc;

    json_begin_object(&j, NULL);
    json_string(&j, "path", a->rest[0]);
    rc = inspect(a->rest[0], args_flag(a, "digest"), &j, err);
    json_end_object(&j);
    if (rc == FUSOR_OK && args_flag(a, "json"))
        return output_json(&j, err);
    if (rc == FUSOR_OK)
        rc = print_lines(&j, err);
    json_clear(&j);
    return rc;
}

const struct verb verb_inspect = {
    .name = "inspect",
    .help = "what a run, a prepared folder, a checkpoint or a part holds",
    .synopsis = "PATH [--digest] [--json]",
    .about =
        "--digest reads all of a checkpoint (of a run: the newest) and adds "
        "\"digest\":\nequal for equal keys, parameters and optimizer states, "
        "on however many processes\nthey were trained. A run whose process "
        "has vanished without a word is shown as\n\"lost\".\n",
    .examples = "  fusor inspect runs/demo\n  fusor inspect parts/demo\n"
                "  fusor inspect parts/demo/train.part --json\n"
                "  fusor inspect runs/demo --digest\n",
    .args = {"inspect", specs, NULL, "PATH", 1, 1},
    .run = run,
};

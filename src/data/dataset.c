/* A prepared folder opened for one training: opening in order, closing, and
 * what a row says. The steps are in dataset_split.c, dataset_fields.c and
 * dataset_values.c. */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/dataset_private.h"
#include "data/stage_in.h"

#define LOG_MODULE "data"
#include "base/log.h"

static enum fusor_status read_share(const struct yaml_node *node, double *out,
                                    struct fusor_error *err)
{
    const char *text;
    char number[32];
    size_t n;

    FUSOR_TRY(yaml_to_text(node, &text, err));
    n = strlen(text);
    if (n < 2 || text[n - 1] != '%' || n > sizeof(number))
        return yaml_to_double(node, out, err);
    memcpy(number, text, n - 1);
    number[n - 1] = '\0';
    if (str_to_double(number, out))
        return yaml_fail(node, err, "expected a share such as 5%%, not \"%s\"",
                         text);
    *out /= 100;
    return FUSOR_OK;
}

static enum fusor_status read_exclude(struct yaml_node *node, int *seen,
                                      struct fusor_error *err)
{
    const char *text;

    *seen = 0;
    if (!node)
        return FUSOR_OK;
    FUSOR_TRY(yaml_to_text(node, &text, err));
    *seen = !strcmp(text, "seen");
    if (!*seen && strcmp(text, "none"))
        return yaml_fail(node, err, "data: exclude is \"%s\": seen or none",
                         text);
    return FUSOR_OK;
}

static enum fusor_status read_cache(struct yaml_node *data,
                                    struct dataset_options *o,
                                    struct fusor_error *err)
{
    static const char *const names[] = {"auto", "memory", "stream"};
    struct yaml_node *cache = yaml_get(data, "cache");
    struct yaml_node *memory = yaml_get(data, "memory");
    struct yaml_node *stage_in = yaml_get(data, "stage_in");
    const char *text = names[CACHE_AUTO];
    int i = 0;

    o->memory = DATASET_MEMORY;
    if (memory)
        FUSOR_TRY(yaml_to_size(memory, &o->memory, err));
    if (stage_in)
        FUSOR_TRY(yaml_to_text(stage_in, &o->stage_in, err));
    if (cache)
        FUSOR_TRY(yaml_to_text(cache, &text, err));
    while (i < 3 && strcmp(names[i], text))
        i++;
    if (i == 3)
        return yaml_fail(cache, err,
                         "data: cache is \"%s\": auto, memory or stream", text);
    o->cache = (enum dataset_cache)i;
    return FUSOR_OK;
}

enum fusor_status dataset_options_read(struct yaml_node *data,
                                       struct dataset_options *out,
                                       const char **protocol,
                                       struct fusor_error *err)
{
    struct dataset_options o = {.fold = -1};
    struct yaml_node *dir = yaml_get(data, "prepared");
    struct yaml_node *fold = yaml_get(data, "fold");
    struct yaml_node *valid = yaml_get(data, "valid");
    struct yaml_node *name = yaml_get(data, "protocol");
    const char *asked = NULL;

    if (!dir)
        return yaml_fail(data, err,
                         "data: no prepared folder: write data: {prepared: "
                         "DIR}, made by fusor prepare");
    FUSOR_TRY(yaml_to_text(dir, &o.dir, err));
    if (fold)
        FUSOR_TRY(yaml_to_i64(fold, &o.fold, err));
    if (valid && valid->kind == YAML_SCALAR)
        FUSOR_TRY(read_share(valid, &o.valid, err));
    if (name)
        FUSOR_TRY(yaml_to_text(name, &asked, err));
    FUSOR_TRY(read_exclude(yaml_get(data, "exclude"), &o.exclude_seen, err));
    FUSOR_TRY(read_cache(data, &o, err));
    *out = o;
    *protocol = asked;
    return FUSOR_OK;
}

/* From here on the copy is the folder. */
static enum fusor_status use_copy(struct dataset *ds, struct fusor_error *err)
{
    struct stage_in_report r;
    char copy[FS_PATH_MAX];

    if (!ds->options.stage_in || !*ds->options.stage_in)
        return FUSOR_OK;
    FUSOR_TRY(stage_in(ds->dir, ds->options.stage_in, copy, &r, err));
    if (r.reused)
        log_info("stage-in: %s is there already", copy);
    else
        log_info("stage-in: %.1f MB to %s in %.1f s, %.0f MB/s",
                 (double)r.bytes * 1e-6, copy, r.seconds,
                 (double)r.bytes * 1e-6 /
                     (r.seconds > 1e-9 ? r.seconds : 1e-9));
    snprintf(ds->dir, sizeof(ds->dir), "%s", copy);
    return FUSOR_OK;
}

static enum fusor_status open_all(struct dataset *ds, struct yaml_node *fields,
                                  struct yaml_node *label,
                                  struct fusor_error *err)
{
    if (!ds->options.outline)
        FUSOR_TRY(use_copy(ds, err));
    FUSOR_TRY(schema_read(ds->dir, &ds->schema, err));
    if (!ds->options.outline || ds->options.labels)
        FUSOR_TRY(dataset_read_labels(ds, label, err));
    FUSOR_TRY(dataset_open_parts(ds, err));
    if (!ds->options.outline) {
        FUSOR_TRY(dataset_split(ds, err));
        FUSOR_TRY(dataset_fit_labels(ds, err));
    }
    FUSOR_TRY(dataset_resolve_fields(ds, fields, err));
    FUSOR_TRY(dataset_add_scores(ds, err));
    if (ds->options.outline)
        return FUSOR_OK;
    FUSOR_TRY(dataset_open_streams(ds, err));
    FUSOR_TRY(dataset_check_ids(ds, err));
    FUSOR_TRY(dataset_fill_dense(ds, err));
    FUSOR_TRY(dataset_derive(ds, err));
    FUSOR_TRY(dataset_find_seen(ds, err));
    FUSOR_TRY(dataset_keep_matches(ds, err));
    return dataset_pack(ds, err);
}

enum fusor_status dataset_open(const struct dataset_options *options,
                               struct yaml_node *fields,
                               struct yaml_node *label, struct dataset **out,
                               struct fusor_error *err)
{
    struct dataset *ds = mem_alloc(1, sizeof(*ds));
    enum fusor_status rc;

    if (!ds)
        return mem_fail(err, "data set", sizeof(*ds));
    pthread_mutex_init(&ds->lock, NULL);
    ds->options = *options;
    ds->options.dir = ds->dir; // the caller's text need not live on
    if (strlen(options->dir) >= sizeof(ds->dir))
        rc = fusor_fail(err, FUSOR_EUSAGE, "data: the path is too long");
    else
        rc = FUSOR_OK;
    snprintf(ds->dir, sizeof(ds->dir), "%s", options->dir);
    if (rc == FUSOR_OK)
        rc = open_all(ds, fields, label, err);
    if (rc != FUSOR_OK) {
        dataset_close(ds);
        return rc;
    }
    *out = ds;
    return FUSOR_OK;
}

void dataset_close(struct dataset *ds)
{
    if (!ds)
        return;
    for (size_t i = 0; i < ds->n_vocabs; i++)
        vocab_destroy(ds->vocabs[i].vocab);
    for (size_t i = 0; i < SCHEMA_MAX_FIELDS; i++) {
        mem_free(ds->fields[i].owned_kind);
        mem_free(ds->fields[i].owned_matches);
        mem_free(ds->fields[i].owned_kin[0]);
        mem_free(ds->fields[i].owned_kin[1]);
    }
    for (int s = 0; s < N_SPLITS; s++) {
        seen_destroy(ds->seen[s]);
        for (int k = 0; k < N_EVENT_SETS; k++)
            mem_free(ds->splits[s].before[k]);
        mem_free(ds->splits[s].select);
        for (size_t i = 0; i < SCHEMA_MAX_FIELDS; i++) {
            mem_free(ds->fields[i].owned_dense[s]);
            match_memo_destroy(ds->fields[i].kept[s]);
        }
        packed_destroy(ds->parts[s].packed);
        stream_destroy(ds->parts[s].stream);
        part_close(ds->parts[s].part);
    }
    for (int k = 0; k < N_EVENT_SETS; k++) {
        for (size_t i = 0; i < SCHEMA_MAX_FIELDS; i++)
            mem_free(ds->fields[i].owned_events[k]);
        history_destroy(ds->history[k]);
    }
    mem_free(ds->valid_rank);
    for (size_t i = 0; i < SCHEMA_MAX_FIELDS; i++)
        dataset_clear_scores(ds->fields[i].foreign);
    strbuf_clear(&ds->warnings);
    part_close(ds->candidates);
    part_close(ds->query_table);
    part_close(ds->item_table);
    pthread_mutex_destroy(&ds->lock);
    mem_free(ds);
}

enum fusor_status dataset_check_protocol(const struct dataset *ds,
                                         const char *protocol,
                                         struct fusor_error *err)
{
    if (!protocol || !strcmp(protocol, ds->schema.protocol))
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "data: the job asks for protocol %s, but %s was prepared "
                      "as %s: prepare again or change the job",
                      protocol, ds->dir, ds->schema.protocol);
}

const struct schema *dataset_schema(const struct dataset *ds)
{
    return &ds->schema;
}

const char *dataset_warnings(const struct dataset *ds)
{
    return ds->warnings.s ? ds->warnings.s : "";
}

const struct field_spec *dataset_fields(const struct dataset *ds, size_t *n)
{
    *n = ds->n_fields;
    return ds->specs;
}

int dataset_query_static(const struct dataset *ds)
{
    return ds->query_static;
}

uint64_t dataset_rows(const struct dataset *ds, enum split split)
{
    return ds->splits[split].n;
}

uint64_t dataset_n_queries(const struct dataset *ds)
{
    return ds->n_queries;
}

uint64_t dataset_n_items(const struct dataset *ds)
{
    return ds->n_items;
}

static uint32_t key_at(const struct split_rows *s, const uint32_t *keys,
                       uint64_t i)
{
    uint32_t key = keys ? keys[split_row(s, i)] : VOCAB_UNKNOWN;

    return key == NO_KEY ? VOCAB_UNKNOWN : key;
}

uint32_t dataset_query(const struct dataset *ds, enum split split, uint64_t i)
{
    const struct split_rows *s = &ds->splits[split];

    return key_at(s, ds->parts[s->part].query, i);
}

uint32_t dataset_item(const struct dataset *ds, enum split split, uint64_t i)
{
    const struct split_rows *s = &ds->splits[split];

    return key_at(s, ds->parts[s->part].item, i);
}

float dataset_weight(const struct dataset *ds, enum split split, uint64_t i)
{
    const struct split_rows *s = &ds->splits[split];
    const float *weight = ds->parts[s->part].weight;

    return weight ? weight[split_row(s, i)] : 1.0f;
}

int64_t dataset_time(const struct dataset *ds, enum split split, uint64_t i)
{
    const struct split_rows *s = &ds->splits[split];
    const int64_t *time = ds->parts[s->part].time;

    return time ? time[split_row(s, i)] : 0;
}

uint64_t dataset_sample_id(const struct dataset *ds, enum split split,
                           uint64_t i)
{
    return split_row(&ds->splits[split], i);
}

int dataset_is_events(const struct dataset *ds, size_t field)
{
    return ds->fields[field].origin == ORIGIN_HISTORY;
}

int dataset_is_history(const struct dataset *ds, size_t field)
{
    const struct dataset_field *f = &ds->fields[field];

    return f->origin == ORIGIN_HISTORY && (int)f->of == ds->schema.item_key;
}

uint32_t dataset_events_before(const struct dataset *ds, enum split split,
                               uint64_t i)
{
    return ds->splits[split].before[EVENTS_TRAIN][i];
}

uint32_t dataset_event(const struct dataset *ds, uint32_t query, uint32_t event)
{
    const struct history *h = ds->history[EVENTS_TRAIN];

    return h->events[h->offsets[query] + event];
}

const uint32_t *dataset_seen(const struct dataset *ds, enum split judged,
                             uint32_t query, uint32_t *n)
{
    const struct seen *s = ds->seen[SPLIT_TRAIN];

    if (judged == SPLIT_TEST && ds->seen[SPLIT_TEST])
        s = ds->seen[SPLIT_TEST];
    *n = 0;
    return s ? seen_of(s, query, n) : NULL;
}

const uint32_t *dataset_candidates(const struct dataset *ds, uint64_t i,
                                   uint32_t *n)
{
    const struct column_view *c;

    *n = 0;
    if (!ds->candidates || ds->options.n_held)
        return NULL;
    c = part_find(ds->candidates, "candidates");
    *n = (uint32_t)(c->u64[i + 1] - c->u64[i]);
    return c->u32 + c->u64[i];
}

const uint32_t *dataset_list(const struct dataset *ds, size_t field,
                             uint32_t key, uint32_t *n)
{
    const struct dataset_field *f = &ds->fields[field];
    const struct column_view *c = f->column[0];

    *n = 0;
    if ((f->origin != ORIGIN_ITEM && f->origin != ORIGIN_QUERY) ||
        c->spec.type != COLUMN_LIST)
        return NULL;
    *n = (uint32_t)(c->u64[key + 1] - c->u64[key]);
    return c->u32 + c->u64[key];
}

void dataset_leave_out(struct dataset *ds, size_t field)
{
    ds->fields[field].left_out = 1;
}

/* With the lock held. */
static enum fusor_status open_vocab(struct dataset *ds, const char *file,
                                    const struct vocab **out,
                                    struct fusor_error *err)
{
    struct opened_vocab *v = ds->vocabs;
    char path[FS_PATH_MAX];

    for (; v < ds->vocabs + ds->n_vocabs; v++) {
        if (strcmp(v->name, file))
            continue;
        *out = v->vocab;
        return FUSOR_OK;
    }
    if (ds->n_vocabs == sizeof(ds->vocabs) / sizeof(ds->vocabs[0]))
        return fusor_fail(err, FUSOR_EINVAL, "%s: too many vocabularies",
                          ds->dir);
    fs_join(path, ds->dir, file);
    FUSOR_TRY(vocab_read(path, &v->vocab, err));
    snprintf(v->name, sizeof(v->name), "%s", file);
    ds->n_vocabs++;
    *out = v->vocab;
    return FUSOR_OK;
}

enum fusor_status dataset_vocab(struct dataset *ds, const char *name,
                                const struct vocab **out,
                                struct fusor_error *err)
{
    char file[FIELD_NAME_MAX + 16];
    enum fusor_status rc;

    if (snprintf(file, sizeof(file), "%s.vocab", name) >= (int)sizeof(file))
        return fusor_fail(err, FUSOR_EINVAL, "%s: no vocabulary \"%s\"",
                          ds->dir, name);
    pthread_mutex_lock(&ds->lock);
    rc = open_vocab(ds, file, out, err);
    pthread_mutex_unlock(&ds->lock);
    return rc;
}

/* The file whose texts name items, or "". */
static void names_file(const struct dataset *ds, char *file, size_t size)
{
    char path[FS_PATH_MAX];
    const char *vocab = "";

    if (ds->schema.item_key >= 0)
        vocab = ds->schema.fields[ds->schema.item_key].vocab_name;
    if (fs_exists(fs_join(path, ds->dir, "item.names")))
        snprintf(file, size, "item.names");
    else
        snprintf(file, size, "%s%s", vocab, *vocab ? ".vocab" : "");
}

enum fusor_status dataset_item_name(struct dataset *ds, uint32_t item,
                                    const char **text, size_t *n,
                                    struct fusor_error *err)
{
    char file[FIELD_NAME_MAX + 16];
    const struct vocab *v;
    enum fusor_status rc = FUSOR_OK;
    const char *found = NULL;

    *text = "";
    *n = 0;
    names_file(ds, file, sizeof(file));
    if (!*file)
        return FUSOR_OK;
    pthread_mutex_lock(&ds->lock);
    rc = open_vocab(ds, file, &v, err);
    pthread_mutex_unlock(&ds->lock);
    if (rc == FUSOR_OK)
        found = vocab_text(v, item, n);
    if (found)
        *text = found;
    return rc;
}

/* Makes the folder, runs the training, reads checkpoints back. */
#include "train/fixture.h"

#include <stdlib.h>

#include "base/rng.h"
#include "data/prepared.h"
#include "store/checkpoint.h"

#define N_TRAIN 701
#define N_VALID 97
#define KEYS_MAX 4096 /* above every key of the folder */

static struct event train_rows[N_TRAIN], valid_rows[N_VALID],
    test_rows[FIXTURE_USERS - 1];

/* A rating that the ids decide, so that there is something to learn. */
static float rating(uint32_t user, uint32_t item)
{
    return (float)(1 + (user * 7 % 5 + item * 3 % 7 + user * item % 3) % 5);
}

static void fill_events(struct event *e, uint64_t n, uint64_t stream)
{
    struct rng r = rng_stream(3, RNG_TEST, stream, 0);

    for (uint64_t i = 0; i < n; i++) {
        uint32_t user = (uint32_t)(1 + rng_below(&r, FIXTURE_USERS - 1));
        uint32_t item = (uint32_t)(1 + rng_below(&r, FIXTURE_ITEMS - 1));

        e[i] = (struct event){user, item, rating(user, item),
                              (int64_t)(stream * 100000 + i), 0};
    }
}

/* Five candidates a test row, the target not among them. */
static void write_candidates(const char *dir)
{
    static const struct column_spec specs[] = {
        {"user", COLUMN_U32, 1, 0}, {"candidates", COLUMN_LIST, 1, 0}};
    struct part_writer *w;
    char path[FS_PATH_MAX];

    REQUIRE(part_create(fs_join(path, dir, "candidates.part"), specs, 2, &w,
                        NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < FIXTURE_USERS - 1; i++) {
        uint32_t items[5];

        for (uint32_t k = 0; k < 5; k++)
            items[k] = 1 + (test_rows[i].item + k) % (FIXTURE_ITEMS - 1);
        part_add(w, 0, &test_rows[i].user, 1, NULL);
        part_add_list(w, 1, items, NULL, 5, NULL);
    }
    REQUIRE(part_finish(w, NULL) == FUSOR_OK);
}

static void set_protocol(const char *dir, const char *protocol)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    REQUIRE(schema_read(dir, s, NULL) == FUSOR_OK);
    snprintf(s->protocol, sizeof(s->protocol), "%s", protocol);
    REQUIRE(schema_write(s, dir, NULL) == FUSOR_OK);
    mem_free(s);
}

const char *fixture_data(const char *protocol)
{
    struct prepared p = {.n_users = FIXTURE_USERS,
                         .n_items = FIXTURE_ITEMS,
                         .train = train_rows,
                         .n_train = N_TRAIN,
                         .valid = valid_rows,
                         .n_valid = N_VALID,
                         .test = test_rows,
                         .n_test = FIXTURE_USERS - 1,
                         .weighted = strcmp(protocol, "weighted") == 0};

    fill_events(train_rows, N_TRAIN, 1);
    fill_events(valid_rows, N_VALID, 2);
    fill_events(test_rows, FIXTURE_USERS - 1, 3);
    for (uint32_t u = 1; u < FIXTURE_USERS; u++) // one a user, as loo has it
        test_rows[u - 1].user = u;
    prepared_write(&p, protocol);
    if (strcmp(protocol, "loo-given") == 0)
        write_candidates(p.dir);
    set_protocol(p.dir, p.weighted ? "time-split" : protocol);
    return p.dir;
}

const struct event *fixture_events(enum split split, uint64_t *n)
{
    static const struct event *const rows[] = {train_rows, valid_rows,
                                               test_rows};
    static const uint64_t counts[] = {N_TRAIN, N_VALID, FIXTURE_USERS - 1};

    *n = counts[split];
    return rows[split];
}

const char *fixture_text(const char *dir, const char *map, const char *rest)
{
    static char text[8192];

    snprintf(text, sizeof(text),
             "data: {prepared: %s}\nlabel: {field: rating, map: %s}\n%s", dir,
             map, rest);
    return text;
}

struct yaml *fixture_yaml(const char *text)
{
    return prepared_yaml(text);
}

struct workload *fixture_workload(struct yaml *job)
{
    struct fusor_error err = {0};
    struct workload *w = NULL;

    if (workload_create(job, &w, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(w != NULL);
    return w;
}

static void run_course(struct training *t,
                       const struct training_options *options)
{
    struct strbuf text = {0};
    struct course_config config = {
        .workload = t->workload,
        .run_dir = t->run_dir,
        .job_id = 7,
        .n_workers = options->n_threads,
        .n_shards = options->n_threads,
        .resume = options->resume,
        .quiet = 1,
    };
    struct course *c;

    yaml_print(yaml_root(t->job), 0, &text);
    config.config_text = text.s;
    t->status = course_create(&config, &c, &t->err);
    if (t->status == FUSOR_OK) {
        t->status =
            course_run_script(c, course_script(c), options->n_threads, &t->err);
        course_result(c, &t->result);
        course_destroy(c);
    }
    strbuf_clear(&text);
}

void training_run(struct training *t, const char *job,
                  const struct training_options *options)
{
    memset(t, 0, sizeof(*t));
    t->job = prepared_yaml(job);
    for (int i = 0; i < 8 && options->set[i]; i += 2)
        REQUIRE(yaml_set(t->job, options->set[i], options->set[i + 1], "--set",
                         NULL) == FUSOR_OK);
    fs_join(t->run_dir, test_tmpdir(), options->name);
    if (!options->resume)
        REQUIRE(fs_remove_tree(t->run_dir, NULL) == FUSOR_OK);
    REQUIRE(fs_mkdirs(t->run_dir, NULL) == FUSOR_OK);
    t->status = workload_create(t->job, &t->workload, &t->err);
    if (t->status == FUSOR_OK)
        run_course(t, options);
}

void training_clear(struct training *t)
{
    workload_destroy(t->workload);
    yaml_destroy(t->job);
    strbuf_clear(&t->result);
}

static void checkpoint_dir(const struct training *t, const char *name,
                           char out[FS_PATH_MAX])
{
    char root[FS_PATH_MAX], path[FS_PATH_MAX], *text;
    size_t n;

    fs_join(root, t->run_dir, "checkpoints");
    fs_join(path, root, name);
    if (fs_is_dir(path)) {
        fs_join(out, root, name);
        return;
    }
    REQUIRE(fs_read(path, 4096, &text, &n, NULL) == FUSOR_OK);
    text[strcspn(text, "\n")] = '\0';
    fs_join(out, root, text);
    mem_free(text);
}

int training_has(const struct training *t, const char *name)
{
    char root[FS_PATH_MAX], path[FS_PATH_MAX];

    fs_join(root, t->run_dir, "checkpoints");
    return fs_is_dir(fs_join(path, root, name));
}

uint64_t training_digest(const struct training *t, const char *name)
{
    char dir[FS_PATH_MAX];
    struct checkpoint *cp = NULL;
    uint64_t digest = 0;

    checkpoint_dir(t, name, dir);
    REQUIRE(checkpoint_open(dir, &cp, NULL) == FUSOR_OK);
    REQUIRE(checkpoint_digest(cp, &digest, NULL) == FUSOR_OK);
    checkpoint_close(cp);
    return digest;
}

struct shard *training_load(const struct training *t, const char *name)
{
    struct shard_config config = {
        .params = t->workload->params,
        .table_optim = t->workload->table_optim,
        .block_optim = t->workload->block_optim,
        .n_shards = 1,
        .fd = -1,
        .job_id = 7,
    };
    struct command c = {.kind = COMMAND_LOAD};
    struct shard *s = NULL;
    char dir[FS_PATH_MAX];

    checkpoint_dir(t, name, dir);
    REQUIRE(strlen(dir) < sizeof(c.text));
    memcpy(c.text, dir, strlen(dir) + 1);
    REQUIRE(shard_create(&config, &s, NULL) == FUSOR_OK);
    REQUIRE(course_load_shard(s, &c, NULL) == FUSOR_OK);
    return s;
}

static uint32_t table_number(const struct training *t, const char *table)
{
    uint32_t i = 0;

    while (i < t->workload->params->n_tables &&
           strcmp(t->workload->params->tables[i].name, table) != 0)
        i++;
    REQUIRE(i < t->workload->params->n_tables);
    return i;
}

static const struct block_spec *block_spec(const struct training *t,
                                           const char *block)
{
    uint32_t i = 0;

    while (i < t->workload->params->n_blocks &&
           strcmp(t->workload->params->blocks[i].name, block) != 0)
        i++;
    REQUIRE(i < t->workload->params->n_blocks);
    return &t->workload->params->blocks[i];
}

static int same_rows(struct shard *a, uint32_t table_a, struct shard *b,
                     uint32_t table_b, uint32_t width)
{
    for (uint64_t key = 0; key < KEYS_MAX; key++) {
        uint32_t ra = 0, rb = 0;

        shard_resolve(a, table_a, &key, 1, RESOLVE_PEEK, 0, &ra, NULL);
        shard_resolve(b, table_b, &key, 1, RESOLVE_PEEK, 0, &rb, NULL);
        if (!ra != !rb || memcmp(shard_row_values(shard_base(a), ra),
                                 shard_row_values(shard_base(b), rb),
                                 width * sizeof(float)) != 0)
            return 0;
    }
    return 1;
}

int training_same_table(const struct training *a, const char *name_a,
                        const struct training *b, const char *name_b,
                        const char *table)
{
    struct shard *sa = training_load(a, name_a), *sb = training_load(b, name_b);
    uint32_t t = table_number(a, table);
    int same = same_rows(sa, t, sb, table_number(b, table),
                         a->workload->params->tables[t].width);

    shard_destroy(sa);
    shard_destroy(sb);
    return same;
}

int training_same_block(const struct training *a, const char *name_a,
                        const struct training *b, const char *name_b,
                        const char *block)
{
    struct shard *sa = training_load(a, name_a), *sb = training_load(b, name_b);
    const struct block_spec *spec = block_spec(a, block);
    const struct block_spec *other = block_spec(b, block);
    /* One shard holds all blocks whole and in order. */
    int same =
        memcmp(shard_dense(sa) + spec->offset, shard_dense(sb) + other->offset,
               spec->size * sizeof(float)) == 0;

    shard_destroy(sa);
    shard_destroy(sb);
    return same;
}

double training_number(const char *text, const char *key)
{
    char quoted[80];
    const char *at;

    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    at = strstr(text, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : NAN;
}

char *training_metrics(const struct training *t)
{
    char path[FS_PATH_MAX], *text = NULL;
    size_t n;

    REQUIRE(fs_read(fs_join(path, t->run_dir, "metrics.jsonl"), 1 << 20, &text,
                    &n, NULL) == FUSOR_OK);
    return text;
}

/* fusor recommend: the best items for one user or for a file of them. */
#include "retrieve/recommend.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/verb.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/scoring.h"
#include "train/opened.h"

#define USERS_FILE_MAX ((size_t)1 << 30)
#define TOP_MAX 100000

static const struct arg_spec specs[] = {
    {"user", 'u', "ID", "whom for, as written in the raw data"},
    {"users", 0, "FILE", "many: one user a line; TSV on stdout"},
    {"hash-ids", 0, "KEY", "the key of prepare --hash-ids, or @FILE"},
    {"top", 'k', "N", "how many items (default 10)"},
    {"label", 'l', "NAME", "by whose score, in a run of several labels"},
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

struct recommend {
    struct opened *opened;
    struct scoring *scoring;
    struct recommender *recommender;
    const struct vocab *users;
    struct listing listing;
    const char *user_field;
    const char *hash_ids;    // KEY or @FILE, or NULL
    struct recommended *top; // [k]
    uint32_t k;
};

static enum fusor_status open_vocabs(struct recommend *r,
                                     struct fusor_error *err)
{
    struct dataset *ds = r->opened->workload->data;
    const struct schema *s = dataset_schema(ds);
    const struct schema_field *f;

    r->listing.data = ds;
    if (s->query_key < 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the prepared folder has no user ids: its schema "
                          "needs a categorical field of side query");
    f = &s->fields[s->query_key];
    r->user_field = f->spec.name;
    if (!f->vocab_name[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "field %s was hashed when it was prepared, so users "
                          "cannot be found by name",
                          f->spec.name);
    FUSOR_TRY(dataset_vocab(ds, f->vocab_name, &r->users, err));
    if (s->item_key < 0 || !s->fields[s->item_key].vocab_name[0])
        return FUSOR_OK;
    return dataset_vocab(ds, s->fields[s->item_key].vocab_name,
                         &r->listing.items, err);
}

static enum fusor_status open_all(struct recommend *r, const char *run,
                                  const char *label, struct fusor_error *err)
{
    struct opened_options options = {.run_dir = run, .n_threads = 1};
    struct recommend_scorer scorer;

    FUSOR_TRY(opened_create(&options, &r->opened, err));
    FUSOR_TRY(open_vocabs(r, err));
    FUSOR_TRY(scoring_create(r->opened, label, &r->scoring, &scorer, err));
    FUSOR_TRY(recommender_create(r->opened->workload->data, &scorer,
                                 &r->recommender, err));
    r->top = mem_alloc(r->k, sizeof(*r->top));
    return r->top ? FUSOR_OK
                  : mem_fail(err, "recommend", r->k * sizeof(*r->top));
}

static void close_all(struct recommend *r)
{
    recommender_destroy(r->recommender);
    scoring_destroy(r->scoring);
    opened_destroy(r->opened);
    mem_free(r->top);
}

static enum fusor_status find_user(const struct recommend *r, const char *text,
                                   size_t n, uint32_t *out,
                                   struct fusor_error *err)
{
    const struct schema *s = dataset_schema(r->opened->workload->data);
    const char *example = "";
    char hidden[PRIVACY_DIGITS + 1];

    FUSOR_TRY(privacy_lookup(r->hash_ids, s->ids_check, text, n, hidden, err));
    *out = hidden[0] ? vocab_find(r->users, hidden, PRIVACY_DIGITS)
           : n       ? vocab_find(r->users, text, n)
                     : VOCAB_UNKNOWN;
    if (*out != VOCAB_UNKNOWN)
        return FUSOR_OK;
    for (uint32_t i = 1; i < vocab_size(r->users) && !example[0]; i++)
        example = vocab_text(r->users, i, NULL); // who was forgotten has none
    if (hidden[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "there is no %s \"%.*s\" among the %u that were "
                          "prepared",
                          r->user_field, n < 60 ? (int)n : 60, text,
                          vocab_size(r->users) - 1);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "there is no %s \"%.*s\" among the %u that were "
                      "prepared; they are written like \"%s\"",
                      r->user_field, n < 60 ? (int)n : 60, text,
                      vocab_size(r->users) - 1, example);
}

static enum fusor_status print_json(const struct recommend *r, const char *user,
                                    uint32_t n, struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "user", user);
    listing_json(&r->listing, "items", r->top, n, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status one_user(struct recommend *r, const struct args *a,
                                  struct fusor_error *err)
{
    const char *user = args_value(a, "user");
    uint32_t query, n, bad;

    FUSOR_TRY(find_user(r, user, strlen(user), &query, err));
    FUSOR_TRY(
        recommender_top(r->recommender, query, r->k, r->top, &n, &bad, err));
    if (bad)
        output_say("warning: %u items got no number as score", bad);
    return args_flag(a, "json") ? print_json(r, user, n, err)
                                : listing_print(&r->listing, r->top, n, err);
}

/* A tab or line break inside a name would break the table. */
static void add_cell(struct strbuf *out, const char *text)
{
    for (; text && *text; text++)
        strbuf_add_n(out, strchr("\t\r\n", *text) ? " " : text, 1);
}

static enum fusor_status print_lines(const struct recommend *r,
                                     const char *user, size_t user_n,
                                     uint32_t n, struct fusor_error *err)
{
    struct strbuf text = {0};
    char id[24], number[32];

    for (uint32_t i = 0; i < n; i++) {
        char *title = listing_title(&r->listing, r->top[i].item);

        strbuf_add_n(&text, user, user_n);
        strbuf_addf(&text, "\t%u\t", i + 1);
        add_cell(&text, listing_id(&r->listing, r->top[i].item, id));
        strbuf_addf(&text, "\t%s\t",
                    str_double((double)r->top[i].score, number));
        add_cell(&text, title);
        strbuf_add(&text, "\n");
        mem_free(title);
    }
    return output_text(&text, err);
}

static enum fusor_status many_users(struct recommend *r, const char *path,
                                    struct fusor_error *err)
{
    struct strbuf head = {0};
    char *text;
    size_t size, number = 0;
    enum fusor_status rc;

    FUSOR_TRY(fs_read(path, USERS_FILE_MAX, &text, &size, err));
    strbuf_add(&head, "user\trank\titem\tscore\ttitle\n");
    rc = output_text(&head, err);
    for (const char *at = text; rc == FUSOR_OK && *at;) {
        size_t line = strcspn(at, "\n"), n = line;
        uint32_t query, n_top;

        number++;
        if (n && at[n - 1] == '\r')
            n--;
        rc = fusor_wrap(err, find_user(r, at, n, &query, err), "%s:%zu", path,
                        number);
        if (rc == FUSOR_OK)
            rc = recommender_top(r->recommender, query, r->k, r->top, &n_top,
                                 NULL, err);
        if (rc == FUSOR_OK)
            rc = print_lines(r, at, n, n_top, err);
        at += line + (at[line] == '\n');
    }
    mem_free(text);
    return rc;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct recommend r = {.k = 10, .hash_ids = args_value(a, "hash-ids")};
    int64_t top = 10;
    enum fusor_status rc;

    FUSOR_TRY(args_integer(a, "top", 1, TOP_MAX, &top, err));
    r.k = (uint32_t)top;
    if (!args_value(a, "user") == !args_value(a, "users"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "recommend: give either --user ID or --users FILE");
    rc = open_all(&r, a->rest[0], args_value(a, "label"), err);
    if (rc == FUSOR_OK)
        rc = args_value(a, "user")
                 ? one_user(&r, a, err)
                 : many_users(&r, args_value(a, "users"), err);
    close_all(&r);
    return rc;
}

const struct verb verb_recommend = {
    .name = "recommend",
    .help = "the best items a user has not seen",
    .synopsis = "RUN --user ID [--top N]",
    .about = "Items of the user's train and valid rows are left out. Scores "
             "are those of the model\nbefore its output function, so that "
             "they keep their order where it is flat.\n",
    .examples = "  fusor recommend runs/demo --user 1 --top 10\n"
                "  fusor recommend runs/demo --users users.txt > lists.tsv\n",
    .args = {"recommend", specs, NULL, "RUN", 1, 1},
    .run = run,
};

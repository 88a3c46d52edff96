/* A field of how two texts fit, from a prepared folder to a batch. */
#include "data/prepared.h"

#include "preparing.h"

#include "data/batcher.h"
#include "data/dataset.h"
#include "data/match.h"

static const char rows[] = "q,d,title,score\n"
                           "red boat,d1,Red boat,3\n"
                           "red boat,d2,Blue boat,2\n"
                           "red bat 7,d3,Red,1\n";
static const char schema[] =
    "label: score\n"
    "fields:\n"
    "  q: {side: query, type: categorical}\n"
    "  words: {side: query, type: text, column: q, vocab: words}\n"
    "  runs: {side: query, type: text, column: q, vocab: runs, ngram: 3}\n"
    "  d: {side: item, type: categorical}\n"
    "  title: {side: item, type: text, vocab: words}\n"
    "  title_runs: {side: item, type: text, column: title, vocab: runs,\n"
    "               ngram: 3}\n";

static uint64_t memory; // data.memory, 0: as it is without the word

static enum fusor_status open_fit(const char *fit, struct dataset **ds)
{
    struct dataset_options o = {
        .dir = out, .fold = -1, .memory = memory, .cache = CACHE_MEMORY};
    struct strbuf text = {0};
    enum fusor_status rc;
    struct yaml *y;

    must(prepare_csv(rows, schema, "protocol: none\n"));
    strbuf_addf(&text, "q: {}\nd: {}\nfit: {%s}\n", fit);
    y = prepared_yaml(text.s);
    rc = dataset_open(&o, yaml_root(y), NULL, ds, &err);
    yaml_destroy(y);
    strbuf_clear(&text);
    return rc;
}

/* The features of a query and items 1, 2, 3. */
static void fit_values(const char *fit, uint32_t query, uint32_t width,
                       float *values)
{
    static const uint32_t items[] = {1, 2, 3};
    struct batcher_query q = {.row = BATCHER_NO_ROW, .query = query};
    struct dataset *ds = NULL;
    struct batcher *b;
    struct batch batch;

    must(open_fit(fit, &ds));
    must(batcher_create(ds, 3, &b, &err));
    must(batcher_fill_pairs(b, &q, items, 3, &batch, &err));
    memcpy(values, batch.fields[2].dense, 3 * (size_t)width * sizeof(float));
    batcher_destroy(b);
    dataset_close(ds);
}

/* "red" and "boat" are in two titles each, so each is half of the most. */
static void other_titles_set_the_measure(void)
{
    float v[9];

    fit_values("match: [words, title], features: [best, ahead, rivals]", 1, 3,
               v);
    CHECK_CLOSE(v[0], 1, 1e-6);
    CHECK_CLOSE(v[1], 0, 1e-6);
    CHECK_CLOSE(v[2], log(2), 1e-6); // d1 itself
    CHECK_CLOSE(v[3], 0.5, 1e-6);
    CHECK_CLOSE(v[4], log(2), 1e-6); // d1 has more
    CHECK_CLOSE(v[6], 0.5, 1e-6);
    CHECK_CLOSE(v[7], log(2), 1e-6);
    fit_values("match: [words, title], features: [best, ahead, rivals]", 2, 3,
               v);
    CHECK_CLOSE(v[0], 1, 1e-6); // red: no title has bat or 7
    CHECK_CLOSE(v[3], 0, 1e-6);
    CHECK_CLOSE(v[4], log(3), 1e-6);
    CHECK_CLOSE(v[6], 1, 1e-6);
    CHECK_CLOSE(v[8], log(3), 1e-6); // d1, d3
}

/* Runs of " bat ": " ba", "bat", "at "; of " boat ": " bo", "boa", "oat",
 * "at "; of " red ", as of the title's: three. */
static void words_and_numbers_are_known_by_their_text(void)
{
    float v[12];

    fit_values("match: [runs, title_runs], features: [words, word_fit, "
               "word_worst]",
               2, 3, v);
    CHECK_CLOSE(v[0], log(4), 1e-6);
    CHECK_CLOSE(v[1], (1 + 2.0 / 7) / 3, 1e-6);
    CHECK_CLOSE(v[2], 0, 1e-6);
    CHECK_CLOSE(v[4], (2.0 / 7) / 3, 1e-6);
    fit_values("match: [words, title], features: [numbers]", 2, 1, v);
    CHECK_CLOSE(v[0], -1, 1e-6);
    fit_values("match: [words, title], features: [numbers]", 1, 1, v);
    CHECK_CLOSE(v[0], 0, 1e-6);
}

/* Rows of the part have the same numbers whether they are kept, computed for
 * want of room, or of a pair. */
static void kept_rows_have_the_same_bits(void)
{
    static const char fit[] = "match: [words, title]";
    static const uint32_t rows_of[] = {0, 1, 2, 0};
    static const uint32_t other[] = {BATCHER_OWN_ITEM, 1, 1, 2};
    float first[4 * MATCH_MAX], again[4 * MATCH_MAX], pairs[4 * MATCH_MAX];

    for (int k = 0; k < 2; k++) {
        size_t bytes = 4 * 39 * sizeof(float);
        struct dataset *ds = NULL;
        struct batcher *b;
        struct batch batch;

        memory = k ? 64 : 0; // bytes: too few
        must(open_fit(fit, &ds));
        memory = 0;
        CHECK(dataset_matches_bytes(ds) == (k ? 0 : 3 * (39 * 4 + 1)));
        must(batcher_create(ds, 4, &b, &err));
        must(batcher_fill(b, SPLIT_TRAIN, rows_of, 4, &batch, &err));
        memcpy(k ? again : first, batch.fields[2].dense, bytes);
        if (k)
            CHECK(memcmp(first, again, bytes) == 0);
        must(batcher_fill(b, SPLIT_TRAIN, rows_of, 4, &batch, &err));
        CHECK(memcmp(first, batch.fields[2].dense, bytes) == 0);
        must(batcher_fill_items(b, SPLIT_TRAIN, rows_of, other, 4, &batch,
                                &err));
        memcpy(k ? again : pairs, batch.fields[2].dense, bytes);
        if (k)
            CHECK(memcmp(pairs, again, bytes) == 0);
        CHECK(memcmp(pairs, first, bytes) != 0);
        CHECK(memcmp(pairs, first, bytes / 4) == 0);
        must(batcher_fill(b, SPLIT_TRAIN, rows_of, 4, &batch, &err));
        CHECK(memcmp(first, batch.fields[2].dense, bytes) == 0);
        batcher_destroy(b);
        dataset_close(ds);
    }
}

/* "red" and "boat" weigh the same; "Blue boat" has boat in it by BOAT. */
#define WORD (log(4.0 / 3) + 1)
#define BLUE (log(4.0 / 2) + 1)
#define BOAT (WORD / sqrt(WORD * WORD + BLUE * BLUE))

static void titles_are_like_those_that_fit(void)
{
    double blue = sqrt(1 - BOAT * BOAT);
    float v[12];

    fit_values("match: [words, title], features: [kin, kin_last, like, unity]",
               1, 4, v);
    CHECK_CLOSE(v[0], 1, 1e-6);
    CHECK_CLOSE(v[2], 0, 1e-6); // no other has as much
    CHECK_CLOSE(v[3], 1, 1e-6);
    CHECK_CLOSE(v[4], (1 + BOAT) / 2, 1e-5); // red goes with boat
    CHECK_CLOSE(v[5], 1, 1e-6);
    CHECK_CLOSE(v[6], BOAT / sqrt(2), 1e-5);
    CHECK_CLOSE(v[9], sqrt(0.5 / (0.5 + blue * blue)), 1e-5);
    CHECK_CLOSE(v[10], 1 / sqrt(2), 1e-5);
}

static void mistakes_are_named(void)
{
    struct dataset *ds = NULL;

    CHECK(open_fit("match: [words, title], features: [bests]", &ds) ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean best?") != NULL);
    CHECK(open_fit("match: [words, title_runs]", &ds) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "vocabularies of their own") != NULL);
    CHECK(open_fit("match: [title, words]", &ds) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no text of the query") != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"other titles set the measure", other_titles_set_the_measure},
        {"words and numbers are known by their text",
         words_and_numbers_are_known_by_their_text},
        {"kept rows have the same bits", kept_rows_have_the_same_bits},
        {"titles are like those that fit", titles_are_like_those_that_fit},
        {"mistakes are named", mistakes_are_named},
    };
    return TEST_RUN("data.dataset_match", cases);
}

#include "preparing.h"

#include "base/hash.h"
#include "data/privacy_forget.h"

static const char schema_text[] = "time: t\n"
                                  "label: y\n"
                                  "fields:\n"
                                  "  user: {side: query, type: categorical}\n"
                                  "  item: {side: item, type: categorical}\n"
                                  "  age: {side: query, type: dense}\n"
                                  "  tags: {side: query, type: multi}\n"
                                  "  x: {type: dense}\n"
                                  "  friend: {type: categorical, vocab: user}\n"
                                  "  circle: {type: multi, vocab: user}\n"
                                  "query_file: users.csv\n";
static const char rows[] = "user,item,t,y,x,friend,circle\n"
                           "annabella,apple,1,1,0.5,bartholomew,clementine\n"
                           "bartholomew,pear,2,0,1.5,annabella,"
                           "annabella|clementine\n"
                           "annabella,pear,3,1,2.5,,\n"
                           "clementine,plum,4,1,3.5,bartholomew,annabella\n"
                           "bartholomew,apple,5,0,4.5,clementine,\n"
                           "clementine,pear,6,1,5.5,annabella,bartholomew\n";

static struct schema *prepared(const char *options)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    test_write("users.csv", "user,age,tags\nannabella,24,a|b\n"
                            "bartholomew,31,b\nclementine,47,c\n");
    must(prepare_csv(rows, schema_text, options));
    must(schema_read(out, s, &err));
    return s;
}

/* Ids: annabella 1, bartholomew 2, clementine 3 (in order of appearance:
 * the friend of the first row comes second). */
static void a_user_leaves_no_trace(void)
{
    struct schema *s = prepared("protocol: none\n");
    struct forget_report r;
    struct part *p;
    const struct column_view *v;
    uint32_t id;

    must(forget_find(out, s, "annabella", NULL, &id, &err));
    CHECK(id == 1);
    CHECK(folder_holds("annabella"));
    must(forget_query(out, s, id, &r, &err));
    CHECK(r.rows == 2 && r.mentions == 4 && r.candidates == 0);
    CHECK(!folder_holds("annabella"));
    CHECK(folder_holds("bartholomew") && folder_holds("apple"));
    must(schema_read(out, s, &err));
    CHECK(s->n_train == 4 && s->n_queries == 4);
    p = open_part("train.part");
    CHECK(part_rows(p) == 4);
    v = part_find(p, "user");
    CHECK(v->u32[0] == 2 && v->u32[1] == 3 && v->u32[2] == 2 && v->u32[3] == 3);
    v = part_find(p, "x");
    CHECK(v->f32[0] == 1.5f && v->f32[1] == 3.5f && v->f32[3] == 5.5f);
    v = part_find(p, "friend");
    CHECK(v->u32[0] == VOCAB_UNKNOWN && v->u32[1] == 2 && v->u32[2] == 3 &&
          v->u32[3] == VOCAB_UNKNOWN);
    v = part_find(p, "circle");
    CHECK(v->u64[1] == 1 && v->u32[0] == 3); // of two, clementine is left
    CHECK(v->u64[2] == 1 && v->u64[3] == 1 && v->u64[4] == 2);
    part_close(p);
    p = open_part("query.part");
    CHECK(part_rows(p) == 4);
    v = part_find(p, "age");
    CHECK(isnan(v->f32[1]) && v->f32[2] == 31 && v->f32[3] == 47);
    v = part_find(p, "tags");
    CHECK(v->u64[1] == v->u64[2] && v->u64[3] - v->u64[2] == 1);
    part_close(p);
    CHECK(forget_find(out, s, "annabella", NULL, &id, &err) == FUSOR_EUSAGE);
    must(forget_find(out, s, "clementine", NULL, &id, &err));
    CHECK(id == 3);
    mem_free(s);
}

static void candidates_and_folds_follow(void)
{
    struct schema *s = prepared("protocol: loo-sampled\nnegatives: 2\n"
                                "validation: false\n");
    uint64_t hash = s->candidates_hash, want = 0;
    struct forget_report r;
    struct part *p;
    const struct column_view *v;
    uint32_t id;

    must(forget_find(out, s, "bartholomew", NULL, &id, &err));
    must(forget_query(out, s, id, &r, &err));
    CHECK(r.rows == 2 && r.candidates == 1);
    must(schema_read(out, s, &err));
    CHECK(s->n_train == 2 && s->n_test == 2 && s->candidates_hash != hash);
    p = open_part("candidates.part");
    v = part_find(p, "candidates");
    REQUIRE(part_rows(p) == 2);
    for (int i = 0; i < 2; i++)
        want = hash_bytes(v->u32 + v->u64[i], 4 * (v->u64[i + 1] - v->u64[i]),
                          hash_mix(want + 1));
    CHECK(want == s->candidates_hash);
    part_close(p);
    mem_free(s);
    s = prepared("protocol: kfold-random\nfolds: 2\n");
    must(forget_find(out, s, "bartholomew", NULL, &id, &err));
    must(forget_query(out, s, id, &r, &err));
    must(schema_read(out, s, &err));
    CHECK(r.rows == 2 && s->n_train == 4 && s->n_folds == 2);
    mem_free(s);
}

static void nobody_is_an_error(void)
{
    struct schema *s = prepared("hash_ids: key\n");
    uint32_t id;

    CHECK(forget_find(out, s, "annabella", NULL, &id, &err) == FUSOR_EUSAGE);
    CHECK(forget_find(out, s, "nobody", "key", &id, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "nobody") != NULL);
    must(forget_find(out, s, "annabella", "key", &id, &err));
    CHECK(id == 1);
    must(prepare_csv("y,a\n1,b\n",
                     "label: y\nfields: {a: {type: categorical}}\n", ""));
    must(schema_read(out, s, &err));
    CHECK(forget_find(out, s, "b", NULL, &id, &err) == FUSOR_EUSAGE);
    mem_free(s);
}

static void no_memory_is_an_error(void)
{
    struct schema *s = prepared("protocol: none\n");
    size_t used = mem_used();
    struct forget_report r;
    long n;

    for (n = 1; n < 2000; n++) {
        enum fusor_status rc;

        mem_fail_after(n);
        rc = forget_query(out, s, 1, &r, &err);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
        CHECK(mem_used() == used);
    }
    CHECK(n > 5 && n < 2000);
    CHECK(!folder_holds("annabella") && folder_holds("clementine"));
    must(schema_read(out, s, &err));
    CHECK(s->n_train == 4);
    mem_free(s);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a user leaves no trace", a_user_leaves_no_trace},
        {"candidates and folds follow", candidates_and_folds_follow},
        {"nobody is an error", nobody_is_an_error},
        {"no memory is an error, and can be done again", no_memory_is_an_error},
    };

    return TEST_RUN("data.privacy_forget", cases);
}

/* Prepared folders by what the input is: side tables, ids without a dictionary,
 * a file for each part, folds in files, the last rows. */
#include "preparing.h"

#include <math.h>

static void side_tables_are_in_id_order(void)
{
    static const char schema[] = "label: y\nitem_file: items.csv\nnames: name\n"
                                 "fields:\n"
                                 "  user: {side: query, type: categorical}\n"
                                 "  city: {side: query, type: categorical}\n"
                                 "  item: {side: item, type: categorical}\n"
                                 "  name: {side: item, type: text}\n"
                                 "  price: {side: item, type: dense}\n";
    const struct column_view *words;
    struct vocab *v, *names;
    struct part *p;

    test_write("items.csv", "item,name,price\n"
                            "z,Never Sold,9\n"
                            "b,The Beta,2\n"
                            "a,Alpha the First,1\n"
                            "c,Gamma,none\n");
    must(prepare_csv("user,city,item,y\n"
                     "ann,Rome,a,1\nbob,,c,0\nann,Oslo,b,1\n",
                     schema, "protocol: none\n"));
    CHECK(report.side_unused == 1);
    CHECK(report.bad[BAD_NUMBER] == 1);
    p = open_part("item.part");
    CHECK(part_rows(p) == 4); // unknown, a, c, b
    words = part_find(p, "name");
    CHECK(!memcmp(words->u64, (uint64_t[]){0, 0, 3, 3, 5}, 40));
    v = open_vocab("name.vocab");
    CHECK(words->u32[1] == words->u32[3]); // "the"
    CHECK(!strcmp(vocab_text(v, words->u32[4], NULL), "beta"));
    CHECK(vocab_find(v, "never", 5) == VOCAB_UNKNOWN);
    CHECK(part_find(p, "price")->f32[1] == 1);
    CHECK(isnan(part_find(p, "price")->f32[2]));
    vocab_destroy(v);
    part_close(p);
    names = open_vocab("item.names");
    CHECK(vocab_size(names) == 4);
    CHECK(!strcmp(vocab_text(names, 1, NULL), "Alpha the First"));
    CHECK(!strcmp(vocab_text(names, 2, NULL), ""));
    vocab_destroy(names);
    p = open_part("query.part"); // the first row of a user says its city
    v = open_vocab("city.vocab");
    CHECK(part_find(p, "city")->u32[1] == vocab_find(v, "Rome", 4));
    CHECK(part_find(p, "city")->u32[2] == UINT32_MAX);
    vocab_destroy(v);
    part_close(p);
}

static void hashed_fields_need_no_vocabulary(void)
{
    static const char schema[] = "label: y\nfields:\n"
                                 "  a: {type: categorical}\n"
                                 "  b: {type: categorical, hash: 10}\n"
                                 "  c: {type: multi, hash: 100}\n";
    struct schema *s;
    struct part *p;

    must(prepare_csv("a,b,c,y\nx,x,p|q,1\ny,,,0\nx,z,q,1\n", schema,
                     "hash: a\n"));
    p = open_part("train.part");
    CHECK(part_find(p, "a")->u64[0] == part_find(p, "a")->u64[2]);
    CHECK(part_find(p, "a")->u64[0] != part_find(p, "a")->u64[1]);
    CHECK(part_find(p, "b")->u32[0] >= 1 && part_find(p, "b")->u32[0] <= 10);
    CHECK(part_find(p, "b")->u32[1] == UINT32_MAX);
    CHECK(part_find(p, "c")->u32[1] == part_find(p, "c")->u32[2]);
    part_close(p);
    s = open_schema();
    CHECK(s->fields[0].spec.cardinality == 0);
    CHECK(s->fields[1].spec.cardinality == 11);
    CHECK(s->fields[2].spec.cardinality == 101);
    CHECK(s->fields[0].spec.vocab != s->fields[1].spec.vocab);
    mem_free(s);
    CHECK(!exists("a.vocab"));
    CHECK(prepare_csv("a,b,c,y\nx,x,p,1\n", schema, "hash: nope\n") ==
          FUSOR_EUSAGE);
}

static void libfm_weights_and_given_files(void)
{
    struct strbuf options = {0};
    const struct column_view *c;
    struct part *p;

    strbuf_addf(&options, "input: \"%s\"\nvalid: \"%s\"\nprotocol: given\n",
                test_write("t.libfm", "1 7:0.5 9\n0 9:2\n"),
                test_write("v.libfm", "1 9 12\n"));
    must(prepare(options.s));
    strbuf_clear(&options);
    p = open_part("train.part");
    c = part_find(p, "features");
    REQUIRE(c && c->weights);
    CHECK(!memcmp(c->u32, (uint32_t[]){1, 2, 2}, 12));
    CHECK(!memcmp(c->weights, (float[]){0.5f, 1, 2}, 12));
    part_close(p);
    p = open_part("valid.part");
    CHECK(!memcmp(part_find(p, "features")->u32, (uint32_t[]){2, 0}, 8));
    part_close(p);
}

static void official_folds_are_found_by_pair(void)
{
    struct strbuf options = {0};
    char dir[FS_PATH_MAX];
    struct part *p;

    fs_join(dir, test_tmpdir(), "ml");
    must(fs_mkdirs(dir, &err));
    test_write("ml/u.data", "1\t1\t3\t10\n2\t1\t4\t11\n1\t2\t5\t12\n");
    test_write("ml/u1.test", "1\t2\t5\t12\n");
    test_write("ml/u2.test", "1\t1\t3\t10\n2\t1\t4\t11\n");
    strbuf_addf(&options, "input: \"%s\"\nprotocol: kfold-official\n", dir);
    must(prepare(options.s));
    p = open_part("rows.part");
    CHECK(!memcmp(part_find(p, "fold")->u8, (uint8_t[]){1, 1, 0}, 3));
    part_close(p);
    test_write("ml/u2.test", "1\t1\t3\t10\n");
    CHECK(prepare(options.s) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 2") != NULL);
    test_write("ml/u2.test", "1\t1\t3\t10\n2\t1\t4\t11\n1\t2\t5\t12\n");
    CHECK(prepare(options.s) == FUSOR_EDATA);
    CHECK(strstr(err.text, "u2.test:3") != NULL);
    strbuf_clear(&options);
}

static void ids_without_a_dictionary_come_from_the_cell(void)
{
    const struct column_view *c;
    struct schema *s;
    struct part *p;

    must(prepare_csv("y,c,n\n1,ff,3\n0,,\n1,0,-1\n0,xyz,1\n0,1,many\n",
                     "label: y\nfields:\n"
                     "  c: {type: categorical, modulo: 100}\n"
                     "  n: {type: categorical, buckets: log2sq}\n",
                     "protocol: none\n"));
    p = open_part("train.part");
    c = part_find(p, "c");
    CHECK(part_rows(p) == 3 && report.bad[BAD_NUMBER] == 2);
    CHECK(!memcmp(c->u32, (uint32_t[]){1 + 255 % 100, UINT32_MAX, 1}, 12));
    c = part_find(p, "n");
    CHECK(!memcmp(c->u32, (uint32_t[]){7, UINT32_MAX, 3}, 12));
    part_close(p);
    s = open_schema();
    CHECK(s->fields[0].spec.cardinality == 101);
    CHECK(!s->fields[0].vocab_name[0]);
    mem_free(s);
    CHECK(prepare_csv("y,c\n1,f\n",
                      "label: y\nfields:\n"
                      "  c: {type: categorical, modulo: 9, hash: 9}\n",
                      "") == FUSOR_EUSAGE);
    CHECK(prepare_csv("y,c\n1,f\n",
                      "label: y\nfields:\n  c: {type: multi, modulo: 9}\n",
                      "") == FUSOR_EUSAGE);
}

static void the_last_rows_are_valid_rows(void)
{
    const char *schema = "label: y\nfields: {c: {type: categorical, hash: 9}}";
    const char *rows = "y,c\n1,a\n2,a\n3,a\n4,a\n5,a\n";
    struct part *p;

    must(prepare_csv(rows, schema, "valid_last: 40%\n"));
    CHECK(report.rows[0] == 3 && report.rows[1] == 2 && report.rows[2] == 0);
    p = open_part("valid.part");
    CHECK(part_find(p, "label")->f32[0] == 4);
    part_close(p);
    CHECK(prepare_csv(rows, schema, "valid_last: 0\n") == FUSOR_EUSAGE);
    CHECK(prepare_csv(rows, schema, "valid_last: 5%x\n") == FUSOR_EUSAGE);
    CHECK(prepare_csv(rows, schema, "valid_last: 5%\nprotocol: loo-full\n") ==
          FUSOR_EUSAGE);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"side tables are in id order", side_tables_are_in_id_order},
        {"hashed fields need no vocabulary", hashed_fields_need_no_vocabulary},
        {"libFM weights, files given for each part",
         libfm_weights_and_given_files},
        {"official folds are found by pair", official_folds_are_found_by_pair},
        {"ids without a dictionary come from the cell",
         ids_without_a_dictionary_come_from_the_cell},
        {"the last rows are valid rows", the_last_rows_are_valid_rows},
    };
    return TEST_RUN("data.prepare_inputs", cases);
}

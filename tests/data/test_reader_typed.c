/* The readers whose files say what their columns are: recbole, libffm. */
#include "reading.h"

static const struct source_field *field(const struct source *s,
                                        const char *name)
{
    for (uint32_t i = 0; i < s->spec.n_fields; i++)
        if (!strcmp(s->spec.fields[i].name, name))
            return &s->spec.fields[i];
    return NULL;
}

static void recbole_takes_types_and_side_tables(void)
{
    struct source *s;
    const char *inter;

    folder("rb");
    test_write("rb/m.item", "item_id:token\tmovie_title:token_seq\tyear:float\t"
                            "class:token_seq\n2\tToy Story\t1995\tA B\n");
    test_write("rb/m.user", "user_id:token\tage:token\n1\t24\n");
    inter = test_write("rb/m.inter",
                       "user_id:token\titem_id:token\trating:float\t"
                       "timestamp:float\tpast_list:token_seq\tv:float_seq\n"
                       "1\t2\t3\t881250949\t4 5\t0.5 1 2\n1\t2\t3\n");
    s = opened("auto", inter, "");
    REQUIRE(s != NULL);
    REQUIRE(s->query && s->item);
    CHECK(!strcmp(s->spec.label, "rating"));
    CHECK(!strcmp(s->spec.time, "timestamp"));
    CHECK(!strcmp(s->spec.names, "movie_title"));
    REQUIRE(s->spec.n_fields == 8);
    CHECK(field(s, "user_id")->is_key && field(s, "item_id")->is_key);
    CHECK(field(s, "user_id")->side == SIDE_QUERY);
    CHECK(field(s, "past_list")->type == FIELD_SEQUENCE);
    CHECK(field(s, "past_list")->side == SIDE_ROW);
    CHECK(field(s, "v")->type == FIELD_VECTOR && field(s, "v")->width == 3);
    CHECK(field(s, "class")->type == FIELD_MULTI);
    CHECK(field(s, "year")->type == FIELD_DENSE);
    CHECK(field(s, "age")->side == SIDE_QUERY);
    CHECK_NEXT(s->rows[0], "1|2|3|881250949|4 5|0.5 1 2");
    CHECK_NEXT(s->rows[0], "3@5: wrong number of columns");
    CHECK_NEXT(s->rows[0], "end");
    CHECK_NEXT(s->item, "2|Toy Story|1995|A B");
    CHECK_NEXT(s->query, "1|24");
    done(s);
}

static void recbole_without_ids_has_rows_alone(void)
{
    struct source *s = opened(
        "auto", test_write("c.inter", "label:float\tc1:token\n1\tx\n0\ty\n"),
        "");

    REQUIRE(s != NULL);
    CHECK(!strcmp(s->spec.label, "label") && s->spec.n_fields == 1);
    CHECK(!s->query && !s->item && s->spec.time[0] == '\0');
    CHECK_NEXT(s->rows[0], "1|x");
    done(s);
}

static void recbole_refuses_columns_without_types(void)
{
    CHECK(
        !opened("recbole", test_write("d.inter", "user_id:token\titem\n"), ""));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "name:type"));
    CHECK(strstr(err.text, "column 2") != NULL);
    CHECK(!opened("recbole", test_write("d.inter", ":token\n"), ""));
    CHECK(!opened("recbole", test_write("d.inter", "fold:token\n"), ""));
    CHECK(strstr(err.text, "fold") != NULL);
    CHECK(!opened("recbole", test_write("d.inter", ""), ""));
}

static void libffm_makes_each_field_a_column(void)
{
    const char *rows =
        "1 2:7:1 0:3:1\n0 0:4:1 5:1:0.5 2:7:1\n\n1 5:1:1 5:2:2\n";
    struct source *s = opened("auto", test_write("a.ffm", rows), "");

    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 3 && !strcmp(s->spec.label, "label"));
    CHECK(field(s, "f0") && field(s, "f0")->type == FIELD_CATEGORICAL);
    CHECK(field(s, "f2") && field(s, "f2")->type == FIELD_CATEGORICAL);
    CHECK(field(s, "f5") && field(s, "f5")->type == FIELD_MULTI);
    CHECK(field(s, "f5")->weighted && !strcmp(field(s, "f5")->separator, " "));
    CHECK_NEXT(s->rows[0], "1|3|7|");
    CHECK_NEXT(s->rows[0], "0|4|7|1:0.5");
    CHECK_NEXT(s->rows[0], "1|||1:1 2:2");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void libffm_holds_later_files_to_the_first(void)
{
    struct reader_input in = {.schema = "", .fields = ""};
    struct source *s = mem_alloc(1, sizeof(*s));
    const char *found;

    REQUIRE(s != NULL);
    in.paths[0] = test_write("t.ffm", "1 0:3:1 2:7:1\n");
    in.paths[1] =
        test_write("v.ffm", "1 0:9:1\n1 4:1:1\n1 0:1:2\n1 0:1:1 0:2:1\n"
                            "1 x\n1 0:1\n1 0:a:1\n1 0:1:z\n");
    in.paths[2] = "";
    REQUIRE(source_open("libffm", &in, s, &found, &err) == FUSOR_OK);
    CHECK_NEXT(s->rows[1], "1|9|");
    CHECK_NEXT(s->rows[1], "2@3: a field that the first file does not have");
    CHECK(!strncmp(next(s->rows[1]), "3@3: second value of one field", 30));
    CHECK(!strncmp(next(s->rows[1]), "4@9: second value of one field", 30));
    for (int i = 5; i <= 8; i++) {
        char want[64];

        snprintf(want, sizeof(want), "%d@3: not field:index:value", i);
        CHECK_NEXT(s->rows[1], want);
    }
    CHECK_NEXT(s->rows[1], "end");
    done(s);
}

static void libffm_needs_features_and_a_file(void)
{
    CHECK(!opened("libffm", test_write("e.ffm", "1\n0\n"), ""));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "field:index:value"));
    CHECK(!opened("libffm", "-", ""));
    CHECK(err.status == FUSOR_EUSAGE && strstr(err.text, "standard input"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"recbole takes types and side tables",
         recbole_takes_types_and_side_tables},
        {"recbole without ids has rows alone",
         recbole_without_ids_has_rows_alone},
        {"recbole refuses columns without types",
         recbole_refuses_columns_without_types},
        {"libffm makes each field a column", libffm_makes_each_field_a_column},
        {"libffm holds later files to the first",
         libffm_holds_later_files_to_the_first},
        {"libffm needs features and a file", libffm_needs_features_and_a_file},
    };

    return TEST_RUN("data.reader_typed", cases);
}

/* Maps of the label and the words of their refusals. */
#include "data/label.h"

#include <string.h>

#include "harness.h"

static enum fusor_status read_label(const char *text, struct label_spec *out,
                                    struct fusor_error *err)
{
    struct yaml *y = NULL;
    enum fusor_status rc;

    REQUIRE(yaml_parse(text, strlen(text), "job.yaml", &y, err) == FUSOR_OK);
    rc = label_read(yaml_root(y), "rating", out, err);
    yaml_destroy(y);
    return rc;
}

static void without_a_section_values_stay_raw(void)
{
    struct label_spec s;

    REQUIRE(label_read(NULL, "rating", &s, NULL) == FUSOR_OK);
    REQUIRE(label_fit(&s, 1, 5, NULL) == FUSOR_OK);
    CHECK(label_apply(&s, 3.5f) == 3.5f);
}

static void scale_takes_the_train_range(void)
{
    struct label_spec s;

    REQUIRE(read_label("{field: rating, map: scale}", &s, NULL) == FUSOR_OK);
    REQUIRE(label_fit(&s, 1, 5, NULL) == FUSOR_OK);
    CHECK(label_apply(&s, 1) == 0);
    CHECK(label_apply(&s, 5) == 1);
    CHECK(label_apply(&s, 4) == 0.75f);
    CHECK(label_apply(&s, 6) == 1.25f); // outside: not clamped
}

static void scale_prefers_the_range_of_the_job(void)
{
    struct label_spec s;

    REQUIRE(read_label("{map: scale, min: 0, max: 10}", &s, NULL) == FUSOR_OK);
    REQUIRE(label_fit(&s, 1, 5, NULL) == FUSOR_OK);
    CHECK(label_apply(&s, 5) == 0.5f);
}

static void scale_over_one_value_is_refused(void)
{
    struct fusor_error err = {0};
    struct label_spec s;

    REQUIRE(read_label("{map: scale}", &s, NULL) == FUSOR_OK);
    CHECK(label_fit(&s, 3, 3, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "map: implicit") != NULL);
}

static void threshold_and_implicit_give_zero_and_one(void)
{
    struct label_spec s;
    float v[] = {3.5f, 4.0f, 4.5f};

    REQUIRE(read_label("{map: threshold, at: 4}", &s, NULL) == FUSOR_OK);
    label_apply_all(&s, v, 3);
    CHECK(v[0] == 0 && v[1] == 1 && v[2] == 1);
    REQUIRE(read_label("{map: implicit}", &s, NULL) == FUSOR_OK);
    CHECK(label_apply(&s, 0) == 1);
}

static void binary_refuses_other_values_and_shows_a_map(void)
{
    struct fusor_error err = {0};
    struct label_spec s;

    REQUIRE(read_label("{map: binary}", &s, NULL) == FUSOR_OK);
    CHECK(label_check(&s, 0, 0, &err) == FUSOR_OK);
    CHECK(label_check(&s, 1, 1, &err) == FUSOR_OK);
    CHECK(label_check(&s, 4, 17, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 17") != NULL);
    CHECK(strstr(err.text, "{field: rating, map: threshold, at: 4}") != NULL);
}

static void a_label_that_is_no_number_is_refused(void)
{
    struct label_spec s = {.map = LABEL_IMPLICIT};

    CHECK(label_check(&s, NAN, 0, NULL) == FUSOR_EDATA);
    CHECK(label_check(&s, INFINITY, 0, NULL) == FUSOR_EDATA);
}

static void bce_refuses_labels_outside_and_shows_maps(void)
{
    struct fusor_error err = {0};
    struct label_spec s = {.field = "rating"};

    CHECK(label_check_for_bce(&s, 0, 1, &err) == FUSOR_OK);
    CHECK(label_check_for_bce(&s, 1, 5, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "{field: rating, map: scale}") != NULL);
}

static void wrong_sections_name_the_place(void)
{
    static const char *const wrong[] = {"{field: stars}",
                                        "{map: sclae}",
                                        "{mapp: scale}",
                                        "{map: threshold}",
                                        "{map: scale, at: 3}",
                                        "{map: binary, min: 0}",
                                        "{map: scale, min: 5, max: 1}",
                                        "[scale]",
                                        "{map: threshold, at: high}"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fusor_error err = {0};
        struct label_spec s;

        CHECK(read_label(wrong[i], &s, &err) == FUSOR_EUSAGE);
        CHECK(strncmp(err.text, "job.yaml:1:", 11) == 0);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"without a section values stay raw",
         without_a_section_values_stay_raw},
        {"scale takes the train range", scale_takes_the_train_range},
        {"scale prefers the range of the job",
         scale_prefers_the_range_of_the_job},
        {"scale over one value is refused", scale_over_one_value_is_refused},
        {"threshold and implicit give zero and one",
         threshold_and_implicit_give_zero_and_one},
        {"binary refuses other values and shows a map",
         binary_refuses_other_values_and_shows_a_map},
        {"a label that is no number is refused",
         a_label_that_is_no_number_is_refused},
        {"bce refuses labels outside and shows maps",
         bce_refuses_labels_outside_and_shows_maps},
        {"wrong sections name the place", wrong_sections_name_the_place},
    };

    return TEST_RUN("data.label", cases);
}

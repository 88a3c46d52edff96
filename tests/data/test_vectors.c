/* Vectors from .npy and .safetensors files, and every header that lies. */
#include "data/vectors.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"

/* A file of a head and values, in the test's folder. */
static const char *write_file(const char *name, const void *head, size_t n_head,
                              const void *data, size_t n_data)
{
    static char paths[4][FS_PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    unsigned char all[2048];

    REQUIRE(n_head + n_data <= sizeof(all));
    memcpy(all, head, n_head);
    if (n_data)
        memcpy(all + n_head, data, n_data);
    fs_join(path, test_tmpdir(), name);
    REQUIRE(fs_write_atomic(path, all, n_head + n_data, NULL) == FUSOR_OK);
    return path;
}

static const char *write_npy(int version, const char *dict, const void *data,
                             size_t n_data)
{
    unsigned char head[600] = "\x93NUMPY";
    size_t at = version == 1 ? 10 : 12, n = strlen(dict);

    head[6] = (unsigned char)version;
    head[8] = (unsigned char)n;
    head[9] = (unsigned char)(n >> 8);
    memcpy(head + at, dict, n);
    return write_file("x.npy", head, at + n, data, n_data);
}

static const char *write_safetensors(const char *json, const void *data,
                                     size_t n_data)
{
    unsigned char head[600] = {0};
    size_t n = strlen(json);

    head[0] = (unsigned char)n;
    head[1] = (unsigned char)(n >> 8);
    memcpy(head + 8, json, n);
    return write_file("x.safetensors", head, 8 + n, data, n_data);
}

#define DICT(type, shape) \
    "{'descr': '" type "', 'fortran_order': False, 'shape': " shape ", }\n"

static const float six[] = {1, -2, 0.5f, 4, 1.5f, -6};

static void check_six(const char *path, const char *tensor)
{
    struct fusor_error err;
    struct vectors v;
    float row[3];

    REQUIRE(vectors_open(path, tensor, &v, &err) == FUSOR_OK);
    CHECK(v.n_rows == 2 && v.width == 3);
    for (uint64_t r = 0; r < 2; r++) {
        REQUIRE(vectors_read(&v, r, row, &err) == FUSOR_OK);
        CHECK(memcmp(row, six + 3 * r, sizeof(row)) == 0);
    }
    vectors_close(&v);
}

static const double doubles[] = {1, -2, 0.5, 4, 1.5, -6};
/* IEEE 754 binary16, and the upper halves of floats. */
static const uint16_t halves[] = {0x3c00, 0xc000, 0x3800,
                                  0x4400, 0x3e00, 0xc600};
static const uint16_t bf16s[] = {0x3f80, 0xc000, 0x3f00,
                                 0x4080, 0x3fc0, 0xc0c0};

static void npy_of_every_type_is_read(void)
{
    for (int version = 1; version <= 3; version++) {
        check_six(write_npy(version, DICT("<f4", "(2, 3)"), six, sizeof(six)),
                  NULL);
        check_six(
            write_npy(version, DICT("<f8", "(2, 3)"), doubles, sizeof(doubles)),
            NULL);
        check_six(
            write_npy(version, DICT("<f2", "(2, 3)"), halves, sizeof(halves)),
            NULL);
    }
}

static void safetensors_of_every_type_are_read(void)
{
    check_six(write_safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],"
                                "\"data_offsets\":[0,24]}}",
                                six, sizeof(six)),
              NULL);
    check_six(write_safetensors(
                  "{\"__metadata__\":{\"by\":\"x\"},\"a\":{\"dtype\":\"F64\","
                  "\"shape\":[2,3],\"data_offsets\":[0,48]}}",
                  doubles, sizeof(doubles)),
              NULL);
    check_six(write_safetensors("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],"
                                "\"data_offsets\":[0,12]}}",
                                halves, sizeof(halves)),
              "a");
    check_six(write_safetensors(
                  "{\"b\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":"
                  "[0,0]},\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],"
                  "\"data_offsets\":[0,12]}}",
                  bf16s, sizeof(bf16s)),
              "a");
}

static void small_halves_are_exact(void)
{
    static const uint16_t small[] = {0x0001, 0x8000, 0x7bff};
    struct vectors v;
    float row[3];

    REQUIRE(
        vectors_open(write_npy(1, DICT("<f2", "(1, 3)"), small, sizeof(small)),
                     NULL, &v, NULL) == FUSOR_OK);
    REQUIRE(vectors_read(&v, 0, row, NULL) == FUSOR_OK);
    CHECK(row[0] == 0x1p-24f && row[1] == 0 && row[2] == 65504);
    vectors_close(&v);
}

static void what_is_not_finite_is_refused(void)
{
    static const uint16_t odd[] = {0x3c00, 0x7c00, 0x7e00};
    struct fusor_error err;
    struct vectors v;
    float row[3];

    REQUIRE(vectors_open(write_npy(1, DICT("<f2", "(1, 3)"), odd, sizeof(odd)),
                         NULL, &v, NULL) == FUSOR_OK);
    CHECK(vectors_read(&v, 0, row, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "row 0, number 1") != NULL);
    vectors_close(&v);
}

static void refuse(const char *path, const char *tensor, enum fusor_status want,
                   const char *why)
{
    struct fusor_error err;
    struct vectors v;
    enum fusor_status got = vectors_open(path, tensor, &v, &err);

    CHECK(got == want);
    if (got == FUSOR_OK)
        return;
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    CHECK(strchr(err.text, '\n') == NULL);
}

static void npy_headers_that_lie_are_refused(void)
{
    static const char *const wrong[] = {
        DICT("<f4", "(6,)"),
        DICT("<f4", "(1, 2, 3)"),
        DICT("<i8", "(2, 3)"),
        DICT(">f4", "(2, 3)"),
        DICT("<f4", "(2, 99999)"),
        "{}",
        DICT("<f4", "(-2, 3)"),
        ("{'descr': '<f4', 'fortran_order': True, "
         "'shape': (2, 3), }"),
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(write_npy(1, wrong[i], six, sizeof(six)), NULL, FUSOR_EDATA,
               "two-dimensional");
    refuse(write_npy(1, DICT("<f4", "(2, 4)"), six, sizeof(six)), NULL,
           FUSOR_EDATA, "cut off");
    refuse(write_npy(1, DICT("<f4", "(999999999999, 3)"), six, sizeof(six)),
           NULL, FUSOR_EDATA, "2^32");
    refuse(write_npy(4, DICT("<f4", "(2, 3)"), six, sizeof(six)), NULL,
           FUSOR_EDATA, "version");
    refuse(write_file("y.npy", "\x93NUMPY\1\0\xff\xff{'descr'", 18, NULL, 0),
           NULL, FUSOR_EDATA, "does not fit");
    refuse(write_file("z.npy", "\x93NUM", 4, NULL, 0), NULL, FUSOR_EDATA,
           "too short");
}

#define TENSOR(type, shape, offsets)                  \
    "{\"a\":{\"dtype\":\"" type "\",\"shape\":" shape \
    ",\"data_offsets\":" offsets "}}"

static void safetensors_that_lie_are_refused(void)
{
    static const char *const wrong[] = {
        TENSOR("I64", "[2,3]", "[0,24]"),
        TENSOR("F32", "[6]", "[0,24]"),
        TENSOR("F32", "[2,-3]", "[0,24]"),
        TENSOR("F32", "[2,3]", "[0,25]"),
        TENSOR("F32", "[2,3]", "[24,0]"),
        TENSOR("F32", "[2,99999]", "[0,24]"),
        "{\"a\":3}",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(write_safetensors(wrong[i], six, sizeof(six)), NULL, FUSOR_EDATA,
               "two dimensions");
    refuse(
        write_safetensors(TENSOR("F32", "[2,3]", "[0,20]"), six, sizeof(six)),
        NULL, FUSOR_EDATA, "cut off");
    refuse(write_safetensors("{\"a\":", six, sizeof(six)), NULL, FUSOR_EDATA,
           "no JSON");
    refuse(write_safetensors("[1]", six, sizeof(six)), NULL, FUSOR_EDATA,
           "no JSON object");
    refuse(write_safetensors("{}", six, sizeof(six)), NULL, FUSOR_EUSAGE,
           "0 tensors");
    refuse(
        write_safetensors(TENSOR("F32", "[2,3]", "[0,24]"), six, sizeof(six)),
        "b", FUSOR_EUSAGE, "named \"b\"");
    refuse(write_file("y.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff", 8,
                      NULL, 0),
           NULL, FUSOR_EDATA, "does not fit");
}

static void other_files_are_refused(void)
{
    refuse("x.txt", NULL, FUSOR_EUSAGE, ".npy and .safetensors");
    refuse("/nowhere/x.npy", NULL, FUSOR_EIO, "No such file");
    refuse(write_npy(1, DICT("<f4", "(2, 3)"), six, sizeof(six)), "a",
           FUSOR_EUSAGE, "delete tensor");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"npy of every type is read", npy_of_every_type_is_read},
        {"safetensors of every type are read",
         safetensors_of_every_type_are_read},
        {"small halves are exact", small_halves_are_exact},
        {"what is not finite is refused", what_is_not_finite_is_refused},
        {"npy headers that lie are refused", npy_headers_that_lie_are_refused},
        {"safetensors that lie are refused", safetensors_that_lie_are_refused},
        {"other files are refused", other_files_are_refused},
    };
    return TEST_RUN("data.vectors", cases);
}

#include "preparing.h"

#include "data/privacy.h"

static void sha256_has_the_published_values(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        // FIPS 180-4's examples
        {"", "e3b0c44298fc1c149afbf4c8996fb924"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char hash[SHA256_BYTES];
        struct sha256 h;
        char text[33];

        sha256_init(&h);
        sha256_add(&h, cases[i].text, strlen(cases[i].text));
        sha256_end(&h, hash);
        for (int b = 0; b < 16; b++)
            sprintf(text + 2 * b, "%02x", hash[b]);
        CHECK(!strcmp(text, cases[i].want));
    }
}

static void hmac_has_the_published_values(void)
{
    // RFC 4231, cases 2 and 6 (a key longer than a block)
    char key[132], hash[PRIVACY_DIGITS + 1];
    struct privacy_key k;

    must(privacy_key_read("Jefe", &k, &err));
    privacy_hash(&k, "what do ya want for nothing?", 28, hash);
    CHECK(!strcmp(hash, "5bdcc146bf60754e6a042426089575c7"));
    memset(key, 0xaa, 131);
    key[131] = '\0';
    must(privacy_key_read(key, &k, &err));
    privacy_hash(&k, "Test Using Larger Than Block-Size Key - Hash Key First",
                 54, hash);
    CHECK(!strcmp(hash, "60e431591ee0b67f0d8a26aacbf5b77f"));
}

static void a_key_is_a_text_or_a_file(void)
{
    char at[FS_PATH_MAX], a[PRIVACY_DIGITS + 1], b[PRIVACY_DIGITS + 1];
    struct privacy_key k;

    must(privacy_key_read("secret", &k, &err));
    privacy_hash(&k, "x", 1, a);
    snprintf(at, sizeof(at), "@%s", test_write("key", "secret\n"));
    must(privacy_key_read(at, &k, &err));
    privacy_hash(&k, "x", 1, b);
    CHECK(!strcmp(a, b) && strlen(a) == PRIVACY_DIGITS);
    snprintf(at, sizeof(at), "@%s", test_write("key", "\n"));
    CHECK(privacy_key_read(at, &k, &err) == FUSOR_EUSAGE);
    CHECK(privacy_key_read("", &k, &err) == FUSOR_EUSAGE);
    CHECK(privacy_key_read("@/nonexistent/key", &k, &err) == FUSOR_EIO);
}

static void lookups_need_the_right_key(void)
{
    char check[PRIVACY_CHECK_DIGITS + 1], hash[PRIVACY_DIGITS + 1];
    struct privacy_key k;

    must(privacy_key_read("secret", &k, &err));
    privacy_check(&k, check);
    must(privacy_lookup("secret", check, "ann", 3, hash, &err));
    CHECK(strlen(hash) == PRIVACY_DIGITS);
    CHECK(privacy_lookup("Secret", check, "ann", 3, hash, &err) ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "not the key") != NULL);
    CHECK(privacy_lookup("", check, "ann", 3, hash, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "--hash-ids") != NULL);
    CHECK(privacy_lookup("secret", "", "ann", 3, hash, &err) == FUSOR_EUSAGE);
    must(privacy_lookup(NULL, "", "ann", 3, hash, &err));
    CHECK(hash[0] == '\0');
}

static const char schema[] = "time: t\n"
                             "fields:\n"
                             "  user: {side: query, type: categorical}\n"
                             "  item: {side: item, type: categorical}\n"
                             "  age: {side: query, type: categorical}\n"
                             "query_file: users.csv\n";
static const char rows[] = "user,item,t\n"
                           "annabella,apple,1\n"
                           "annabella,pear,2\n"
                           "bartholomew,apple,3\n"
                           "bartholomew,plum,4\n";

static void no_raw_id_is_stored(void)
{
    char options[FS_PATH_MAX + 128], hash[PRIVACY_DIGITS + 1];
    struct schema *s = mem_alloc(1, sizeof(*s));
    struct privacy_key k;
    struct vocab *users;

    REQUIRE(s != NULL);
    test_write("users.csv", "user,age\nannabella,24\nbartholomew,31\n");
    snprintf(options, sizeof(options),
             "hash_ids: secret-text\nprotocol: loo-given\n"
             "validation: false\ncandidates: \"%s\"\n",
             test_write("negatives", "annabella pear plum\n"));
    must(prepare_csv(rows, schema, options));
    CHECK(report.rows[2] == 1 && report.side_unused == 0);
    CHECK(!folder_holds("annabella") && !folder_holds("bartholomew"));
    CHECK(!folder_holds("secret-text"));
    CHECK(folder_holds("apple"));
    users = open_vocab("user.vocab");
    must(privacy_key_read("secret-text", &k, &err));
    privacy_hash(&k, "annabella", 9, hash);
    CHECK(vocab_find(users, hash, PRIVACY_DIGITS) == 1);
    must(schema_read(out, s, &err));
    must(privacy_lookup("secret-text", s->ids_check, "bartholomew", 11, hash,
                        &err));
    CHECK(vocab_find(users, hash, PRIVACY_DIGITS) == 2);
    vocab_destroy(users);
    must(prepare_csv(rows, schema, "protocol: none\n"));
    CHECK(folder_holds("annabella"));
    must(schema_read(out, s, &err));
    CHECK(s->ids_check[0] == '\0');
    mem_free(s);
}

static void ids_by_another_way_are_refused(void)
{
    static const char twice[] = "fields:\n"
                                "  user: {side: query, type: categorical}\n"
                                "  again: {type: categorical, column: user}\n";
    static const char shared[] =
        "fields:\n"
        "  user: {side: query, type: categorical}\n"
        "  again: {type: categorical, column: user, vocab: user}\n";

    CHECK(prepare_csv(rows, twice, "hash_ids: k\n") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "again") != NULL);
    must(prepare_csv(rows, shared, "hash_ids: k\n"));
    CHECK(!folder_holds("annabella"));
    CHECK(prepare_csv(rows, "fields: {item: {type: categorical}}\n",
                      "hash_ids: k\n") == FUSOR_EUSAGE);
    CHECK(prepare_csv(rows, schema, "hash_ids: \"@/none\"\n") == FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"SHA-256 has the published values", sha256_has_the_published_values},
        {"HMAC has the published values", hmac_has_the_published_values},
        {"a key is a text or a file", a_key_is_a_text_or_a_file},
        {"lookups need the right key", lookups_need_the_right_key},
        {"no raw id is stored", no_raw_id_is_stored},
        {"ids by another way are refused", ids_by_another_way_are_refused},
    };

    return TEST_RUN("data.privacy", cases);
}

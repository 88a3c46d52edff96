/* The English stemmer against words of its published description. */
#include "data/stem.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

struct pair {
    const char *word, *stem;
};

static void check(const struct pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char word[80];
        size_t len = strlen(p[i].word);

        memcpy(word, p[i].word, len);
        len = stem_english(word, len);
        if (len != strlen(p[i].stem) || memcmp(word, p[i].stem, len) != 0) {
            printf("%s: got %.*s, want %s\n", p[i].word, (int)len, word,
                   p[i].stem);
            CHECK(0);
        }
    }
}

static void endings_go(void)
{
    static const struct pair pairs[] = {{"consigned", "consign"},
                                        {"consigning", "consign"},
                                        {"consistency", "consist"},
                                        {"consolatory", "consolatori"},
                                        {"knightly", "knight"},
                                        {"knackeries", "knackeri"},
                                        {"caresses", "caress"},
                                        {"ties", "tie"},
                                        {"cries", "cri"},
                                        {"gas", "gas"},
                                        {"gaps", "gap"},
                                        {"this", "this"},
                                        {"hopping", "hop"},
                                        {"hoping", "hope"},
                                        {"luxuriated", "luxuri"},
                                        {"agreed", "agre"},
                                        {"feed", "feed"},
                                        {"relational", "relat"},
                                        {"conditional", "condit"},
                                        {"vietnamization", "vietnam"},
                                        {"hopefulness", "hope"},
                                        {"formative", "format"},
                                        {"triplicate", "triplic"},
                                        {"replacement", "replac"},
                                        {"adoption", "adopt"},
                                        {"controlling", "control"},
                                        {"rate", "rate"},
                                        {"roll", "roll"},
                                        {"enjoy", "enjoy"},
                                        {"youth", "youth"},
                                        {"boyish", "boyish"},
                                        {"saying", "say"},
                                        {"geology", "geolog"},
                                        {"sensibly", "sensibl"}};

    check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void exceptions_are_known(void)
{
    static const struct pair pairs[] = {
        {"skies", "sky"},           {"dying", "die"},
        {"news", "news"},           {"atlas", "atlas"},
        {"innings", "inning"},      {"proceeded", "proceed"},
        {"generous", "generous"},   {"generate", "generat"},
        {"communism", "communism"}, {"arsenal", "arsenal"},
        {"only", "onli"},           {"herring", "herring"}};

    check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void apostrophes_go(void)
{
    static const struct pair pairs[] = {
        {"bayes's", "bay"}, {"parkinson's", "parkinson"}, {"'tis", "tis"}};

    check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void other_words_stay(void)
{
    char long_word[80];
    static const struct pair pairs[] = {{"is", "is"},
                                        {"a", "a"},
                                        {"", ""},
                                        {"5ing", "5ing"},
                                        {"na\xc3\xafvely", "na\xc3\xafvely"}};

    check(pairs, sizeof(pairs) / sizeof(pairs[0]));
    memset(long_word, 'a', sizeof(long_word));
    memcpy(long_word + 61, "ing", 3);
    CHECK(stem_english(long_word, 64) == 61);
    CHECK(stem_english(long_word, 65) == 65);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"endings go step by step", endings_go},
        {"exceptions have their own stems", exceptions_are_known},
        {"apostrophes go", apostrophes_go},
        {"short words and others than a to z stay", other_words_stay},
    };
    return TEST_RUN("data.stem", cases);
}

/* The English stemmer of Snowball, "Porter2", after its published description
 * (snowballstem.org/algorithms/english/stemmer.html, version of 2001). Steps
 * and regions have the names they have there. A y that is a consonant is
 * written Y while the steps run. */
#include "data/stem.h"

#include <string.h>

#define WORD_MAX 64

struct word {
    char s[WORD_MAX + 2]; // a step may put an e back
    size_t n;
    size_t r1, r2; // where the regions begin
};

struct ending {
    const char *from, *to;
};

static int is_vowel(char c)
{
    return memchr("aeiouy", c, 6) != NULL;
}

static int has_vowel(const struct word *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_vowel(w->s[i]))
            return 1;
    return 0;
}

static int ends(const struct word *w, const char *ending)
{
    size_t n = strlen(ending);

    return w->n >= n && !memcmp(w->s + w->n - n, ending, n);
}

/* The ending begins in this region. */
static int in_region(const struct word *w, size_t region, const char *ending)
{
    return w->n - strlen(ending) >= region;
}

static void replace(struct word *w, const char *ending, const char *with)
{
    size_t at = w->n - strlen(ending), n = strlen(with);

    memcpy(w->s + at, with, n);
    w->n = at + n;
}

/* After the first consonant that follows a vowel. */
static size_t region_after(const struct word *w, size_t from)
{
    for (size_t i = from + 1; i < w->n; i++)
        if (!is_vowel(w->s[i]) && is_vowel(w->s[i - 1]))
            return i + 1;
    return w->n;
}

static void find_regions(struct word *w)
{
    static const char *const starts[] = {"gener", "commun", "arsen"};

    w->r1 = region_after(w, 0);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (w->n >= strlen(starts[i]) &&
            !memcmp(w->s, starts[i], strlen(starts[i])))
            w->r1 = strlen(starts[i]);
    w->r2 = w->r1 < w->n ? region_after(w, w->r1) : w->n;
}

/* Does the part of n letters end in a short syllable? */
static int short_syllable(const struct word *w, size_t n)
{
    if (n == 2)
        return is_vowel(w->s[0]) && !is_vowel(w->s[1]);
    return n > 2 && !is_vowel(w->s[n - 3]) && is_vowel(w->s[n - 2]) &&
           !is_vowel(w->s[n - 1]) && !memchr("wxY", w->s[n - 1], 3);
}

static int is_short(const struct word *w)
{
    return w->r1 >= w->n && short_syllable(w, w->n);
}

static int is_double(const struct word *w)
{
    return w->n >= 2 && w->s[w->n - 1] == w->s[w->n - 2] &&
           memchr("bdfgmnprt", w->s[w->n - 1], 9) != NULL;
}

/* Endings stand longest first. @return the one found, or NULL */
static const struct ending *find(const struct word *w,
                                 const struct ending *endings)
{
    for (; endings->from; endings++)
        if (ends(w, endings->from))
            return endings;
    return NULL;
}

static void mark_consonants(struct word *w)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->s[i] == 'y' && (i == 0 || is_vowel(w->s[i - 1])))
            w->s[i] = 'Y';
}

static void step_0(struct word *w)
{
    static const struct ending endings[] = {
        {"'s'", ""}, {"'s", ""}, {"'", ""}, {NULL, NULL}};
    const struct ending *e = find(w, endings);

    if (e)
        replace(w, e->from, e->to);
}

static void step_1a(struct word *w)
{
    if (ends(w, "sses"))
        replace(w, "sses", "ss");
    else if (ends(w, "ied") || ends(w, "ies"))
        w->n -= w->n > 4 ? 2 : 1;
    else if (!ends(w, "us") && !ends(w, "ss") && ends(w, "s") && w->n > 2 &&
             has_vowel(w, w->n - 2))
        w->n--;
}

static void step_1b(struct word *w)
{
    static const struct ending endings[] = {
        {"eedly", "ee"}, {"ingly", ""}, {"edly", ""}, {"eed", "ee"},
        {"ing", ""},     {"ed", ""},    {NULL, NULL}};
    const struct ending *e = find(w, endings);

    if (!e)
        return;
    if (e->to[0]) {
        if (in_region(w, w->r1, e->from))
            replace(w, e->from, e->to);
        return;
    }
    if (!has_vowel(w, w->n - strlen(e->from)))
        return;
    replace(w, e->from, "");
    if (ends(w, "at") || ends(w, "bl") || ends(w, "iz"))
        w->s[w->n++] = 'e';
    else if (is_double(w))
        w->n--;
    else if (is_short(w))
        w->s[w->n++] = 'e';
}

static void step_1c(struct word *w)
{
    if (w->n > 2 && (ends(w, "y") || ends(w, "Y")) && !is_vowel(w->s[w->n - 2]))
        w->s[w->n - 1] = 'i';
}

static void step_2(struct word *w)
{
    static const struct ending endings[] = {
        {"ational", "ate"}, {"fulness", "ful"}, {"iveness", "ive"},
        {"ization", "ize"}, {"ousness", "ous"}, {"biliti", "ble"},
        {"lessli", "less"}, {"tional", "tion"}, {"alism", "al"},
        {"aliti", "al"},    {"ation", "ate"},   {"entli", "ent"},
        {"fulli", "ful"},   {"iviti", "ive"},   {"ousli", "ous"},
        {"abli", "able"},   {"alli", "al"},     {"anci", "ance"},
        {"ator", "ate"},    {"enci", "ence"},   {"izer", "ize"},
        {"bli", "ble"},     {"ogi", "og"},      {"li", ""},
        {NULL, NULL}};
    const struct ending *e = find(w, endings);
    char before;

    if (!e || !in_region(w, w->r1, e->from))
        return;
    before = w->n > strlen(e->from) ? w->s[w->n - strlen(e->from) - 1] : 0;
    if ((!strcmp(e->from, "ogi") && before != 'l') ||
        (!strcmp(e->from, "li") && !memchr("cdeghkmnrt", before, 10)))
        return;
    replace(w, e->from, e->to);
}

static void step_3(struct word *w)
{
    static const struct ending endings[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"alize", "al"}, {"ative", ""},
        {"icate", "ic"},    {"iciti", "ic"},    {"ical", "ic"},  {"ness", ""},
        {"ful", ""},        {NULL, NULL}};
    const struct ending *e = find(w, endings);

    if (!e || !in_region(w, w->r1, e->from) ||
        (!strcmp(e->from, "ative") && !in_region(w, w->r2, e->from)))
        return;
    replace(w, e->from, e->to);
}

static void step_4(struct word *w)
{
    static const struct ending endings[] = {
        {"ement", ""}, {"able", ""}, {"ance", ""}, {"ence", ""}, {"ible", ""},
        {"ment", ""},  {"ant", ""},  {"ate", ""},  {"ent", ""},  {"ion", ""},
        {"ism", ""},   {"iti", ""},  {"ive", ""},  {"ize", ""},  {"ous", ""},
        {"al", ""},    {"er", ""},   {"ic", ""},   {NULL, NULL}};
    const struct ending *e = find(w, endings);

    if (!e || !in_region(w, w->r2, e->from))
        return;
    if (!strcmp(e->from, "ion") &&
        (w->n < 4 || !memchr("st", w->s[w->n - 4], 2)))
        return;
    replace(w, e->from, "");
}

static void step_5(struct word *w)
{
    if (ends(w, "e")) {
        if (in_region(w, w->r2, "e") ||
            (in_region(w, w->r1, "e") && !short_syllable(w, w->n - 1)))
            w->n--;
    } else if (ends(w, "ll") && in_region(w, w->r2, "l")) {
        w->n--;
    }
}

static int set(struct word *w, const char *text)
{
    w->n = strlen(text);
    memcpy(w->s, text, w->n);
    return 1;
}

static int is(const struct word *w, const char *text)
{
    return w->n == strlen(text) && !memcmp(w->s, text, w->n);
}

/* Words whose stem is written down. */
static int special(struct word *w)
{
    static const struct ending known[] = {
        {"skis", "ski"},      {"skies", "sky"},    {"dying", "die"},
        {"lying", "lie"},     {"tying", "tie"},    {"idly", "idl"},
        {"gently", "gentl"},  {"ugly", "ugli"},    {"early", "earli"},
        {"only", "onli"},     {"singly", "singl"}, {"sky", "sky"},
        {"news", "news"},     {"howe", "howe"},    {"atlas", "atlas"},
        {"cosmos", "cosmos"}, {"bias", "bias"},    {"andes", "andes"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (is(w, known[i].from))
            return set(w, known[i].to);
    return 0;
}

/* Words that are left alone after step 1a. */
static int stays(const struct word *w)
{
    static const char *const known[] = {"inning",  "outing",  "canning",
                                        "herring", "earring", "proceed",
                                        "exceed",  "succeed"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (is(w, known[i]))
            return 1;
    return 0;
}

static void run_steps(struct word *w)
{
    mark_consonants(w);
    find_regions(w);
    step_0(w);
    step_1a(w);
    if (stays(w))
        return;
    step_1b(w);
    step_1c(w);
    step_2(w);
    step_3(w);
    step_4(w);
    step_5(w);
}

size_t stem_english(char *word, size_t n)
{
    size_t skip = n && word[0] == '\'';
    struct word w = {.n = n - skip};

    if (n < 3 || n > WORD_MAX)
        return n;
    for (size_t i = 0; i < n; i++)
        if (word[i] != '\'' && (word[i] < 'a' || word[i] > 'z'))
            return n;
    memcpy(w.s, word + skip, w.n);
    if (!special(&w))
        run_steps(&w);
    for (size_t i = 0; i < w.n; i++)
        word[i] = w.s[i] == 'Y' ? 'y' : w.s[i];
    return w.n;
}

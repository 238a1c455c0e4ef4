/* agent.logs.native._literals: finds many literals in large blocks of bytes.
 *
 * Long literals (PIECE bytes or more): of each, the PIECE bytes that are the rarest in logs are chosen. Wherever they
 * stand, GRAM bytes of them begin at a place that is divisible by STRIDE. So only each fourth place is looked at: the six
 * bytes there (a "gram") are hashed, and a bit says whether any literal has such a gram. Few places pass; there the same is
 * asked of the four pieces that may lie around it, and at last whole literals are compared. This takes no vector
 * instructions, and is faster than they are.
 *
 * Short literals: a filter looks at 32 (AVX2) or 16 (SSSE3, NEON) places at once. Of each literal it knows a window, the
 * four bytes of it that are the rarest. Each belongs to one of eight buckets; for each byte of the window two tables of 16 entries say which buckets have a byte with that low, and with
 * that high, half, and one shuffle instruction looks up as many bytes as a vector has. What survives all tables is
 * compared. (The idea is known as "Teddy".)
 *
 * Either way the answer is exact, whatever the filters let through.
 *
 * Safety. The block is a bytes object: it can't change or go away while the GIL is released. Every load lies within
 * [start, stop): the vector loops end WINDOW - 1 bytes before the last whole vector, the rest is done byte by byte. A
 * literal is compared only where it lies within [start, stop) as a whole. Nothing is trusted to be ordered, distinct
 * or text. The work for a place is bounded by the number of literals that share a gram.
 *
 * A newline can't be part of a literal (at its end it stands for the end of a line, or of the block, after white space);
 * so hits are told by line, and a literal once a line, or once each SPACING bytes of a longer one.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define X86 1
#elif defined(__aarch64__)
#include <arm_neon.h>
#define ARM 1
#endif

enum {
    STRIDE = 4,
    GRAM = 6,
    PIECE = GRAM + STRIDE - 1,
    WINDOW = 4,        /* bytes of a short literal that the filter looks at */
    SLOTS = 8192,
    MARKS = 1 << 18,   /* bits for grams: 32 KiB, which stay in the nearest caches */
    PIECES = 1 << 16,  /* bits for pieces */
    CHUNK = 1 << 15,   /* bytes that are searched in all ways before the next */
    MOST = 4096,       /* literals */
    KEPT = 32,
    SPACING = 512,
};
static const uint32_t NONE = UINT32_MAX;

typedef struct {
    const uint8_t *bytes;
    uint32_t length;
    int last;        /* must it be the last of its line, white space aside? */
    uint32_t next;   /* literal with the same hash, or NONE */
    uint32_t at;     /* where its piece, or its window, begins */
    uint64_t piece;  /* the piece's first eight bytes as a number */
} Literal;

typedef struct Finder {
    PyObject_HEAD
    uint32_t count, longs, shorts;
    Literal *literals;
    uint8_t *bytes;                     /* of all literals */
    uint32_t marks[MARKS / 32];         /* of grams */
    uint32_t pieces[PIECES / 32];
    uint32_t piece_heads[SLOTS];
    uint32_t heads[WINDOW + 1][SLOTS];  /* of short literals, by the size of their window and its hash */
    uint32_t sizes;                     /* bit n: there are windows of n bytes */
    uint8_t low[WINDOW][16];            /* buckets of short literals by the low half of a byte ... */
    uint8_t high[WINDOW][16];           /* ... and by the high half */
    const struct Path *path;
} Finder;

typedef struct { uint32_t offset, line, literal; } Hit;

/* One call of find(). Offsets count from its start. */
typedef struct Search {
    const Finder *finder;
    const uint8_t *data;
    uint32_t size;
    const uint8_t *quiet;  /* by literal: count it, and keep its last KEPT hits only; NULL for none */
    Hit *hits;
    size_t used, room;
    size_t raw;            /* the hits from here on are of this chunk: without lines, in no order */
    uint32_t *last;        /* by literal: where it was found last, and one */
    struct { uint32_t line, offset; } *told;  /* by literal: of the last hit that was told, both and one */
    uint32_t *counts;      /* by quiet literal */
    Hit *kept;             /* rings of KEPT, by quiet literal */
    uint32_t lines;        /* newlines before the chunk */
    int failed;            /* no memory */
} Search;

typedef struct Path {
    const char *name;
    void (*filter)(Search *, uint32_t, uint32_t);
} Path;

/* -- the exact part */

static uint32_t mixed(uint32_t value) { return value * UINT32_C(0x9E3779B1); }
static uint32_t slot(uint32_t value) { return mixed(value) >> 19; }

static uint64_t stirred(uint64_t piece) { return piece * UINT64_C(0x9E3779B97F4A7C15); }

static uint32_t mark(uint64_t gram) {  /* of its first GRAM bytes */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (uint32_t)(stirred(gram >> 8 * (8 - GRAM)) >> 46);
#else
    return (uint32_t)(stirred(gram << 8 * (8 - GRAM)) >> 46);
#endif
}
static uint32_t piece_slot(uint64_t piece) { return (uint32_t)(stirred(piece) >> 51); }
static uint32_t piece_mark(uint64_t piece) { return (uint32_t)(stirred(piece) >> 48); }

static uint32_t load(const uint8_t *bytes) {  /* any alignment; the byte order is the same everywhere in here */
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t load_eight(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint32_t load_few(const uint8_t *bytes, uint32_t size) {
    uint8_t padded[WINDOW] = { 0 };
    memcpy(padded, bytes, size);
    return load(padded);
}

static int push(Search *search, Hit hit) {
    if (search->used == search->room) {
        size_t room = search->room ? 2 * search->room : 256;
        Hit *more = realloc(search->hits, room * sizeof *more);
        if (!more) { search->failed = 1; return 0; }
        search->hits = more;
        search->room = room;
    }
    search->hits[search->used++] = hit;
    return 1;
}

/* Is there nothing but white space up to the end of the line? What may be a part of wide white space passes. */
static int ends_line(const Search *search, uint32_t place) {
    for (; place < search->size && search->data[place] != '\n'; place++)
        if (search->data[place] > ' ' && search->data[place] < 128) return 0;
    return 1;
}

/* The literal if it stands here; of places that overlap one is enough. */
static void compare(Search *search, uint32_t number, uint32_t offset) {
    const Literal *literal = &search->finder->literals[number];
    if (search->size - offset < literal->length) return;
    if (search->last[number]) {
        uint32_t last = search->last[number] - 1, apart = offset > last ? offset - last : last - offset;
        if (apart < literal->length) return;
    }
    if (memcmp(search->data + offset, literal->bytes, literal->length)) return;
    if (literal->last && !ends_line(search, offset + literal->length)) return;
    search->last[number] = offset + 1;
    push(search, (Hit){ offset, 0, number });
}

/* -- long literals */

/* All literals with a piece that covers the gram at this place. */
static void look_up(Search *search, uint32_t place) {
    const Finder *finder = search->finder;
    for (uint32_t back = 0; back < STRIDE && back <= place; back++) {
        uint32_t begin = place - back;
        if (search->size - begin < PIECE) continue;
        uint64_t piece = load_eight(search->data + begin);
        uint32_t bit = piece_mark(piece);
        if (!(finder->pieces[bit >> 5] >> (bit & 31) & 1)) continue;
        for (uint32_t number = finder->piece_heads[piece_slot(piece)]; number != NONE;) {
            const Literal *literal = &finder->literals[number];
            if (literal->piece == piece && begin >= literal->at) compare(search, number, begin - literal->at);
            number = literal->next;
        }
    }
}

static int passes(const Search *search, uint32_t place) {
    uint32_t bit = mark(load_eight(search->data + place));
    return search->finder->marks[bit >> 5] >> (bit & 31) & 1;
}

/* The places in [from, to) that are divisible by STRIDE, as ``from`` is. */
static void sample(Search *search, uint32_t from, uint32_t to) {
    uint32_t place = from;
    for (; place < to && to - place >= 8 * STRIDE && search->size - place >= 8 * STRIDE + 8; place += 8 * STRIDE) {
        uint32_t found = 0;
#pragma GCC unroll 8
        for (uint32_t at = 0; at < 8; at++) found |= (uint32_t)passes(search, place + STRIDE * at) << at;
        for (; found; found &= found - 1) look_up(search, place + STRIDE * (uint32_t)__builtin_ctz(found));
    }
    for (; place < to; place += STRIDE)  /* near the end of all, where eight bytes can't be read, all is looked up */
        if (search->size - place < 8 || passes(search, place)) look_up(search, place);
}

/* -- short literals */

static void visit(Search *search, uint32_t place) {
    const Finder *finder = search->finder;
    uint32_t left = search->size - place;
    for (uint32_t size = 1; size <= WINDOW && size <= left; size++) {
        if (!(finder->sizes >> size & 1)) continue;
        uint32_t number = finder->heads[size][slot(load_few(search->data + place, size))];
        for (; number != NONE; number = finder->literals[number].next)
            if (place >= finder->literals[number].at) compare(search, number, place - finder->literals[number].at);
    }
}

/* [from, to) byte by byte, with the same tables as the vectors. */
static void filter_scalar(Search *search, uint32_t from, uint32_t to) {
    const Finder *finder = search->finder;
    for (uint32_t place = from; place < to; place++) {
        uint32_t buckets = 255;
        for (uint32_t at = 0; at < WINDOW && at < search->size - place && buckets; at++) {
            uint8_t byte = search->data[place + at];
            buckets &= finder->low[at][byte & 15] & finder->high[at][byte >> 4];
        }
        if (buckets) visit(search, place);
    }
}

#ifdef X86
__attribute__((target("avx2"))) static void filter_avx2(Search *search, uint32_t from, uint32_t to) {
    const Finder *finder = search->finder;
    __m256i low[WINDOW], high[WINDOW];
    for (int at = 0; at < WINDOW; at++) {
        low[at] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)finder->low[at]));
        high[at] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)finder->high[at]));
    }
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    uint32_t place = from;
    for (; to - place >= 32 && search->size - place >= 32 + WINDOW - 1; place += 32) {
        __m256i buckets = _mm256_set1_epi8(-1);
#pragma GCC unroll 4
        for (int at = 0; at < WINDOW; at++) {
            __m256i bytes = _mm256_loadu_si256((const void *)(search->data + place + at));
            __m256i lows = _mm256_shuffle_epi8(low[at], _mm256_and_si256(bytes, nibble));
            __m256i highs = _mm256_shuffle_epi8(high[at], _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
            buckets = _mm256_and_si256(buckets, _mm256_and_si256(lows, highs));
        }
        uint32_t found = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(buckets, zero));
        for (; found; found &= found - 1) visit(search, place + (uint32_t)__builtin_ctz(found));
    }
    filter_scalar(search, place, to);
}

__attribute__((target("ssse3"))) static void filter_ssse3(Search *search, uint32_t from, uint32_t to) {
    const Finder *finder = search->finder;
    const __m128i nibble = _mm_set1_epi8(15), zero = _mm_setzero_si128();
    uint32_t place = from;
    for (; to - place >= 16 && search->size - place >= 16 + WINDOW - 1; place += 16) {
        __m128i buckets = _mm_set1_epi8(-1);
        for (int at = 0; at < WINDOW; at++) {
            __m128i low = _mm_loadu_si128((const void *)finder->low[at]), high = _mm_loadu_si128((const void *)finder->high[at]);
            __m128i bytes = _mm_loadu_si128((const void *)(search->data + place + at));
            __m128i lows = _mm_shuffle_epi8(low, _mm_and_si128(bytes, nibble));
            __m128i highs = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
            buckets = _mm_and_si128(buckets, _mm_and_si128(lows, highs));
        }
        uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(buckets, zero)) ^ 0xFFFF;
        for (; found; found &= found - 1) visit(search, place + (uint32_t)__builtin_ctz(found));
    }
    filter_scalar(search, place, to);
}
#endif

#ifdef ARM
static void filter_neon(Search *search, uint32_t from, uint32_t to) {
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    const Finder *finder = search->finder;
    uint32_t place = from;
    for (; to - place >= 16 && search->size - place >= 16 + WINDOW - 1; place += 16) {
        uint8x16_t buckets = vdupq_n_u8(255);
        for (int at = 0; at < WINDOW; at++) {
            uint8x16_t bytes = vld1q_u8(search->data + place + at);
            uint8x16_t lows = vqtbl1q_u8(vld1q_u8(finder->low[at]), vandq_u8(bytes, vdupq_n_u8(15)));
            uint8x16_t highs = vqtbl1q_u8(vld1q_u8(finder->high[at]), vshrq_n_u8(bytes, 4));
            buckets = vandq_u8(buckets, vandq_u8(lows, highs));
        }
        if (!vmaxvq_u8(buckets)) continue;
        uint8x16_t weighed = vandq_u8(vtstq_u8(buckets, buckets), vld1q_u8(weights));
        uint32_t found = (uint32_t)vaddv_u8(vget_low_u8(weighed)) | (uint32_t)vaddv_u8(vget_high_u8(weighed)) << 8;
        for (; found; found &= found - 1) visit(search, place + (uint32_t)__builtin_ctz(found));
    }
    filter_scalar(search, place, to);
}
#endif

static const Path PATHS[] = {  /* the fastest first */
#ifdef X86
    { "avx2", filter_avx2 },
    { "ssse3", filter_ssse3 },
#endif
#ifdef ARM
    { "neon", filter_neon },
#endif
    { "scalar", filter_scalar },
};

static int usable(const Path *path) {
#ifdef X86
    __builtin_cpu_init();
    if (path->filter == filter_avx2) return __builtin_cpu_supports("avx2");
    if (path->filter == filter_ssse3) return __builtin_cpu_supports("ssse3");
#endif
    (void)path;
    return 1;
}

/* -- lines */

static uint32_t newlines(const uint8_t *bytes, uint32_t size) {
    uint32_t sum = 0;
    while (size) {  /* in runs that a byte can count: compilers make vectors of the inner loop */
        uint32_t run = size < 128 ? size : 128;
        uint8_t few = 0;
        for (uint32_t at = 0; at < run; at++) few = (uint8_t)(few + (bytes[at] == '\n'));
        sum += few;
        bytes += run;
        size -= run;
    }
    return sum;
}

static int by_offset(const void *one, const void *other) {
    const Hit *left = one, *right = other;
    if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
    return left->literal < right->literal ? -1 : left->literal > right->literal;
}

/* The chunk's hits in their order, with their lines, without those that are not to be told. */
static void settle(Search *search, uint32_t from, uint32_t to) {
    size_t end = search->used;
    if (end - search->raw > 1) qsort(search->hits + search->raw, end - search->raw, sizeof *search->hits, by_offset);
    search->used = search->raw;
    uint32_t counted = from;
    for (size_t at = search->raw; at < end; at++) {
        Hit hit = search->hits[at];
        if (hit.offset > counted) {  /* else it begins before the chunk, on the line that goes on in it */
            search->lines += newlines(search->data + counted, hit.offset - counted);
            counted = hit.offset;
        }
        hit.line = search->lines;
        uint32_t number = hit.literal;
        if (search->told[number].line == hit.line + 1 && hit.offset - (search->told[number].offset - 1) < SPACING) continue;
        search->told[number].line = hit.line + 1;
        search->told[number].offset = hit.offset + 1;
        if (search->quiet && search->quiet[number])
            search->kept[(size_t)number * KEPT + search->counts[number]++ % KEPT] = hit;
        else
            search->hits[search->used++] = hit;  /* never ahead of ``at`` */
    }
    search->lines += newlines(search->data + counted, to > counted ? to - counted : 0);
    search->raw = search->used;
}

static void run(Search *search) {
    const Finder *finder = search->finder;
    uint32_t from = 0;
    while (from < search->size && !search->failed) {
        uint32_t to = search->size - from > CHUNK ? from + CHUNK : search->size;
        if (finder->longs) sample(search, from, to);
        if (finder->shorts) finder->path->filter(search, from, to);
        settle(search, from, to);
        from = to;
    }
    if (!search->quiet) return;
    for (uint32_t number = 0; number < finder->count && !search->failed; number++) {
        uint32_t count = search->quiet[number] ? search->counts[number] : 0;
        for (uint32_t at = count < KEPT ? 0 : count - KEPT; at < count; at++)
            if (!push(search, search->kept[(size_t)number * KEPT + at % KEPT])) return;
    }
}

/* -- the plan */

/* How often bytes follow each other in the sample, as shares of all pairs and of all bytes. */
typedef struct { float pair[65536], byte[256]; uint8_t present[MARKS]; } Model;  /* ``present``: grams, by their marks */

static float likely(const uint8_t *bytes, uint32_t size, const Model *model) {
    float share = model->byte[bytes[0]];
    for (uint32_t at = 0; at + 1 < size; at++)
        share *= model->pair[bytes[at] << 8 | bytes[at + 1]] / model->byte[bytes[at]];
    return share;
}

static uint64_t load_gram(const uint8_t *bytes) {
    uint64_t gram = 0;
    memcpy(&gram, bytes, GRAM);
    return gram;
}

/* What a gram costs: how often it stands in a log, by the sample and by its pairs; nothing when it is looked for anyway. */
static float cost(const Finder *finder, const uint8_t *bytes, const Model *model) {
    uint32_t bit = mark(load_gram(bytes));
    if (finder->marks[bit >> 5] >> (bit & 31) & 1) return 0;
    float share = likely(bytes, GRAM, model);
    return share + (model->present[bit] ? 1e-3F * model->present[bit] : 0) + 1e-6F;
}

static void plan_long(Finder *finder, uint32_t number, const Model *model) {
    Literal *literal = &finder->literals[number];
    uint32_t chosen = 0;
    float least = 1e9F;
    for (uint32_t at = 0; at + PIECE <= literal->length; at++) {
        float sum = 0;
        for (uint32_t shift = 0; shift < STRIDE; shift++) sum += cost(finder, literal->bytes + at + shift, model);
        if (sum < least) least = sum, chosen = at;
    }
    for (uint32_t shift = 0; shift < STRIDE; shift++) {
        uint32_t bit = mark(load_gram(literal->bytes + chosen + shift));
        finder->marks[bit >> 5] |= UINT32_C(1) << (bit & 31);
    }
    literal->at = chosen;
    literal->piece = load_eight(literal->bytes + chosen);
    uint32_t bit = piece_mark(literal->piece), *head = &finder->piece_heads[piece_slot(literal->piece)];
    finder->pieces[bit >> 5] |= UINT32_C(1) << (bit & 31);
    literal->next = *head;
    *head = number;
    finder->longs++;
}

/* A bucket of short literals: which halves of bytes its windows have at each place, and how much text has these. */
typedef struct { uint32_t low[WINDOW], high[WINDOW]; float passes; } Bucket;

static Bucket with(Bucket bucket, const uint8_t *window, uint32_t size, const Model *model) {
    bucket.passes = 1;
    for (uint32_t at = 0; at < WINDOW; at++) {
        bucket.low[at] |= at < size ? UINT32_C(1) << (window[at] & 15) : 0xFFFF;
        bucket.high[at] |= at < size ? UINT32_C(1) << (window[at] >> 4) : 0xFFFF;
        float share = 0;
        for (uint32_t byte = 0; byte < 256; byte++)
            if (bucket.low[at] >> (byte & 15) & bucket.high[at] >> (byte >> 4) & 1) share += model->byte[byte];
        bucket.passes *= share;
    }
    return bucket;
}

static void plan_short(Finder *finder, uint32_t number, Bucket buckets[8], const Model *model) {
    Literal *literal = &finder->literals[number];
    uint32_t size = literal->length < WINDOW ? literal->length : WINDOW;
    for (uint32_t at = 1; at + size <= literal->length; at++)
        if (likely(literal->bytes + at, size, model) < likely(literal->bytes + literal->at, size, model)) literal->at = at;
    const uint8_t *window = literal->bytes + literal->at;
    uint32_t *head = &finder->heads[size][slot(load_few(window, size))];
    literal->next = *head;
    *head = number;
    finder->sizes |= UINT32_C(1) << size;
    finder->shorts++;
    int chosen = 0;
    float least = 2;
    for (int bucket = 0; bucket < 8; bucket++) {
        float more = with(buckets[bucket], window, size, model).passes - buckets[bucket].passes;
        if (more < least) least = more, chosen = bucket;
    }
    buckets[chosen] = with(buckets[chosen], window, size, model);
    for (uint32_t at = 0; at < WINDOW; at++)
        for (uint32_t half = 0; half < 16; half++) {
            finder->low[at][half] |= (uint8_t)((buckets[chosen].low[at] >> half & 1) << chosen);
            finder->high[at][half] |= (uint8_t)((buckets[chosen].high[at] >> half & 1) << chosen);
        }
}

/* ``text``: a sample of what will be searched. False when there is no memory. */
static int plan(Finder *finder, const uint8_t *text, size_t length) {
    Model *model = calloc(1, sizeof *model);
    if (!model) return 0;
    for (int pair = 0; pair < 65536; pair++) model->pair[pair] = 0.002F;  /* what was not seen is rare, not impossible */
    for (int byte = 0; byte < 256; byte++) model->byte[byte] = 256 * 0.002F;
    for (size_t at = 0; at + 1 < length; at++) {
        model->pair[text[at] << 8 | text[at + 1]] += 1;
        model->byte[text[at]] += 1;
        if (at + GRAM <= length) {
            uint8_t *present = &model->present[mark(load_gram(text + at))];
            *present = (uint8_t)(*present + (*present < 255));
        }
    }
    float sum = (float)length + 65536 * 0.002F;
    for (int pair = 0; pair < 65536; pair++) model->pair[pair] /= sum;
    for (int byte = 0; byte < 256; byte++) model->byte[byte] /= sum;
    memset(finder->heads, 255, sizeof finder->heads);
    memset(finder->piece_heads, 255, sizeof finder->piece_heads);
    Bucket buckets[8];
    memset(buckets, 0, sizeof buckets);
    for (uint32_t number = 0; number < finder->count; number++)
        if (finder->literals[number].length < PIECE) plan_short(finder, number, buckets, model);
        else plan_long(finder, number, model);
    free(model);
    return 1;
}

/* -- the Python side */

static void finder_dealloc(PyObject *self) {
    Finder *finder = (Finder *)self;
    PyTypeObject *type = Py_TYPE(self);
    free(finder->literals);
    free(finder->bytes);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static int take(Finder *finder, PyObject *literals) {
    Py_ssize_t count = PyTuple_Size(literals), total = 0;
    if (count < 0) return -1;
    if (count > MOST) {
        PyErr_Format(PyExc_ValueError, "%zd literals: more than %d", count, MOST);
        return -1;
    }
    for (Py_ssize_t number = 0; number < count; number++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(literals, number), &bytes, &length)) return -1;
        length -= length && bytes[length - 1] == '\n';
        if (!length || length > 65535 || memchr(bytes, '\n', (size_t)length)) {
            PyErr_SetString(PyExc_ValueError, "a literal has 1 to 65535 bytes, and no newline but at its end");
            return -1;
        }
        total += length;
    }
    finder->literals = calloc(count ? (size_t)count : 1, sizeof *finder->literals);
    finder->bytes = malloc(total ? (size_t)total : 1);
    if (!finder->literals || !finder->bytes) {
        PyErr_NoMemory();
        return -1;
    }
    uint8_t *next = finder->bytes;
    for (Py_ssize_t number = 0; number < count; number++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(literals, number), &bytes, &length)) return -1;
        finder->literals[number].last = bytes[length - 1] == '\n';
        length -= finder->literals[number].last;
        memcpy(next, bytes, (size_t)length);
        finder->literals[number].bytes = next;
        finder->literals[number].length = (uint32_t)length;
        next += length;
    }
    finder->count = (uint32_t)count;
    return 0;
}

static PyObject *finder_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = { "literals", "sample", "path", NULL };
    PyObject *literals;
    const char *sample = "", *path = "";
    Py_ssize_t length = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!|y#s", names, &PyTuple_Type, &literals, &sample, &length,
                                     &path))
        return NULL;
    PyObject *self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);  /* all zeros */
    if (!self) return NULL;
    Finder *finder = (Finder *)self;
    for (size_t at = 0; at < sizeof PATHS / sizeof *PATHS && !finder->path; at++)
        if ((!*path || !strcmp(path, PATHS[at].name)) && usable(&PATHS[at])) finder->path = &PATHS[at];
    if (!finder->path) PyErr_Format(PyExc_ValueError, "this processor has no %s", path);
    if (!finder->path || take(finder, literals)) {
        Py_DECREF(self);
        return NULL;
    }
    if (!plan(finder, (const uint8_t *)sample, (size_t)length)) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return self;
}

static void release(Search *search) {
    free(search->hits);
    free(search->last);
    free(search->told);
    free(search->counts);
    free(search->kept);
}

static PyObject *answer(const Search *search) {
    Py_ssize_t size = (Py_ssize_t)(search->used * sizeof *search->hits);
    Py_ssize_t numbers = search->counts ? (Py_ssize_t)(search->finder->count * sizeof *search->counts) : 0;
    return Py_BuildValue("y#Iy#", size ? (const char *)search->hits : "", size, (unsigned int)search->lines,
                         numbers ? (const char *)search->counts : "", numbers);
}

static PyObject *finder_find(PyObject *self, PyObject *arguments) {
    Finder *finder = (Finder *)self;
    PyObject *block;
    const char *quiet = "";
    Py_ssize_t start, stop, marks = 0;
    if (!PyArg_ParseTuple(arguments, "Snn|y#:find", &block, &start, &stop, &quiet, &marks)) return NULL;
    if (start < 0 || stop < start || stop > PyBytes_Size(block) || (uint64_t)(stop - start) >= UINT32_MAX - CHUNK) {
        PyErr_SetString(PyExc_ValueError, "start and stop lie within the block, and less than 4 GiB apart");
        return NULL;
    }
    if (marks && (uint64_t)marks != finder->count) {
        PyErr_SetString(PyExc_ValueError, "quiet has one byte for each literal");
        return NULL;
    }
    Search search = { .finder = finder, .size = (uint32_t)(stop - start) };
    search.data = (const uint8_t *)PyBytes_AsString(block) + start;
    size_t room = finder->count + 1;
    search.last = calloc(room, sizeof *search.last);
    search.told = calloc(room, sizeof *search.told);
    search.failed = !search.last || !search.told;
    if (marks) {
        search.quiet = (const uint8_t *)quiet;
        search.counts = calloc(room, sizeof *search.counts);
        search.kept = malloc(room * KEPT * sizeof *search.kept);
        search.failed |= !search.counts || !search.kept;
    }
    if (!search.failed) {
        Py_BEGIN_ALLOW_THREADS
        run(&search);
        Py_END_ALLOW_THREADS
    }
    PyObject *found = search.failed ? PyErr_NoMemory() : answer(&search);
    release(&search);
    return found;
}

static PyObject *finder_path(PyObject *self, void *unused) {
    (void)unused;
    return PyUnicode_FromString(((Finder *)self)->path->name);
}

static PyMethodDef METHODS[] = {
    { "find", finder_find, METH_VARARGS,
      "find(block, start, stop, quiet=b'') -> (hits, newlines, counts)\n\n"
      "hits: three native uint32 each: offset from start, newlines between start and it, number of the literal; by line.\n"
      "Each literal is told once a line, or once in 512 bytes of a longer one. quiet: a byte for each literal; of those where it\n"
      "is not 0 only the last 32 hits are told, behind all others, and counts has their number, as native uint32.\n"
      " ValueError for places outside of the block." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef VALUES[] = {
    { "path", finder_path, NULL, "The instructions that are used: avx2, ssse3, neon or scalar.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot SLOTS_OF_FINDER[] = {
    { Py_tp_doc, "Finder(literals, sample=b'', path='')\n\n"
                 "literals: a tuple of bytes; a newline at the end of one stands for the end of a line. sample: text of the kind that will be searched. path: the\n"
                 "instructions to use; ValueError where this processor lacks them." },
    { Py_tp_new, (void *)finder_new },
    { Py_tp_dealloc, (void *)finder_dealloc },
    { Py_tp_methods, METHODS },
    { Py_tp_getset, VALUES },
    { 0, NULL },
};

static PyType_Spec FINDER = {
    "agent.logs.native._literals.Finder", sizeof(Finder), 0, Py_TPFLAGS_DEFAULT, SLOTS_OF_FINDER,
};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&FINDER);
    if (!type) return -1;
    if (PyModule_AddObject(module, "Finder", type)) {
        Py_DECREF(type);
        return -1;
    }
    PyObject *paths = PyList_New(0);
    for (size_t at = 0; paths && at < sizeof PATHS / sizeof *PATHS; at++) {
        PyObject *name = usable(&PATHS[at]) ? PyUnicode_FromString(PATHS[at].name) : NULL;
        if (name && PyList_Append(paths, name)) Py_CLEAR(paths);
        Py_XDECREF(name);
    }
    if (!paths || PyErr_Occurred() || PyModule_AddObject(module, "PATHS", paths)) {
        Py_XDECREF(paths);
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot SLOTS_OF_MODULE[] = { { Py_mod_exec, (void *)module_exec }, { 0, NULL } };

static struct PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "agent.logs.native._literals",
    .m_doc = "The search for many literals at once.",
    .m_slots = SLOTS_OF_MODULE,
};

PyMODINIT_FUNC PyInit__literals(void) { return PyModuleDef_Init(&MODULE); }

/* agent.logs.native._journal: walks the objects of a journal file, a block at a time.
 *
 * journald appends object after object. A walk gives the messages of a block as lines of text (each behind ": ", as a tag
 * would stand before it, newlines as spaces), where its entries lie, which boots these are of, and what the caller must
 * look at itself: identifiers, and values that are compressed or large. On the way it proves that the file is as journald
 * wrote it: object follows object without a gap up to the last one, and each field of an entry is a data object that was
 * passed before. At the first thing that is otherwise it says so, and the caller reads the file in another way.
 *
 * Layout: https://systemd.io/JOURNAL_FILE_FORMAT/. All numbers are little-endian and aligned to eight bytes.
 *
 * Safety. The block is a bytes object: it can't change or go away while the GIL is released. Nothing in it is trusted: sizes
 * are compared with what is left before they are used, offsets with the file's size before they become a bit's number. The
 * text of a block is never longer than the block: an object's header is larger than what a line adds to its message.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    DATA = 1,
    ENTRY = 3,
    LAST_KIND = 7,
    HEADER = 16,      /* of any object */
    ENTRY_FIXED = 64,
    MOST_ITEMS = 4096,
    LONGEST = 65536,  /* bytes of an object that is looked at here, and must lie in the block as a whole */
    NAME = 24,        /* bytes of a payload that tell whose it is */
};
static const uint64_t LARGEST_OBJECT = UINT64_C(768) * 1024 * 1024 + 72;
static const uint64_t LARGEST_FILE = UINT64_C(1) << 32;
static const char MESSAGE[] = "MESSAGE=", IDENTIFIER[] = "SYSLOG_IDENTIFIER=";

typedef struct {
    uint8_t *bytes;
    size_t used, room;
} Buffer;

typedef struct {
    PyObject_HEAD
    uint32_t payload;  /* where it begins in a data object */
    uint32_t width;    /* of an entry's item: 4 in compact files, else 16 */
    uint64_t size;     /* of the file */
    uint8_t *known;    /* a bit for each eighth byte of the file: a data object begins there */
    uint8_t *names;    /* as much: and it is an identifier */
    uint8_t *wanted;   /* as much: the entries with this field are asked for */
} Walk;

typedef struct { uint8_t boot[16]; uint64_t oldest, newest; } Run;

/* One block. */
typedef struct {
    Walk *walk;
    const uint8_t *block;
    uint64_t at, size, base;
    uint64_t last;  /* the offset of the last object */
    int done;       /* it has been passed */
    int broken, failed;
    Buffer text, messages, others, entries, runs;
    Run run;
} Part;

static int append(Part *part, Buffer *buffer, const void *bytes, size_t size) {
    if (buffer->room - buffer->used < size) {
        size_t room = buffer->room + size + (buffer->room ? buffer->room : 4096);
        uint8_t *more = realloc(buffer->bytes, room);
        if (!more) { part->failed = 1; return 0; }
        buffer->bytes = more;
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return 1;
}

static uint64_t number(const uint8_t *bytes) {
    uint64_t value = 0;
    for (int at = 7; at >= 0; at--) value = value << 8 | bytes[at];
    return value;
}

static uint32_t small_number(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static int is_set(const uint8_t *bits, uint64_t offset) { return bits[offset >> 6] >> (offset >> 3 & 7) & 1; }
static void set(uint8_t *bits, uint64_t offset) { bits[offset >> 6] |= (uint8_t)(1 << (offset >> 3 & 7)); }

static void add_message(Part *part, const uint8_t *message, uint64_t size, uint64_t offset) {
    append(part, &part->messages, &offset, sizeof offset);
    append(part, &part->text, ": ", 2);
    size_t begin = part->text.used;
    if (!append(part, &part->text, message, (size_t)size)) return;
    uint8_t *next = part->text.bytes + begin, *end = part->text.bytes + part->text.used;
    while ((next = memchr(next, '\n', (size_t)(end - next)))) *next++ = ' ';
    append(part, &part->text, "\n", 1);
}

/* False where the object does not lie in the block as far as it has to. */
static int data(Part *part, const uint8_t *object, uint64_t left, uint64_t size, uint32_t flags) {
    const Walk *walk = part->walk;
    uint64_t offset = part->base + part->at;
    if (size <= walk->payload) {
        part->broken = 1;
        return 1;
    }
    uint64_t length = size - walk->payload, needed = size < LONGEST ? size : walk->payload + NAME;
    if (left < needed) return 0;
    set(walk->known, offset);
    const uint8_t *payload = object + walk->payload;
    int is_message = length >= sizeof MESSAGE - 1 && !memcmp(payload, MESSAGE, sizeof MESSAGE - 1);
    int is_name = length >= sizeof IDENTIFIER - 1 && !memcmp(payload, IDENTIFIER, sizeof IDENTIFIER - 1);
    if (is_name) set(walk->names, offset);
    if (flags || is_name || (is_message && size >= LONGEST)) append(part, &part->others, &offset, sizeof offset);
    else if (is_message) add_message(part, payload + sizeof MESSAGE - 1, length - (sizeof MESSAGE - 1), offset);
    return 1;
}

static uint64_t item(const Walk *walk, const uint8_t *items, uint64_t at) {
    return walk->width == 4 ? small_number(items + 4 * at) : number(items + 16 * at);
}

static int entry(Part *part, const uint8_t *object, uint64_t left, uint64_t size) {
    const Walk *walk = part->walk;
    uint64_t count = size > ENTRY_FIXED ? (size - ENTRY_FIXED) / walk->width : 0;
    if (!count || count > MOST_ITEMS || (size - ENTRY_FIXED) % walk->width) {
        part->broken = 1;
        return 1;
    }
    if (left < size) return 0;
    uint64_t sequence = number(object + HEADER), realtime = number(object + HEADER + 8);
    if (!sequence || !realtime) part->broken = 1;
    for (uint64_t at = 0; at < count; at++) {
        uint64_t offset = item(walk, object + ENTRY_FIXED, at);
        if (offset >= walk->size || offset & 7 || !is_set(walk->known, offset)) part->broken = 1;
        if (part->broken) return 1;
    }
    uint64_t offset = part->base + part->at;
    uint32_t narrow = (uint32_t)offset;
    if (walk->width == 4) append(part, &part->entries, &narrow, sizeof narrow);
    else append(part, &part->entries, &offset, sizeof offset);
    if (part->run.newest && !memcmp(part->run.boot, object + HEADER + 24, 16)) {
        if (realtime < part->run.oldest) part->run.oldest = realtime;
        if (realtime > part->run.newest) part->run.newest = realtime;
    } else {
        if (part->run.newest) append(part, &part->runs, &part->run, sizeof part->run);
        memcpy(part->run.boot, object + HEADER + 24, 16);
        part->run.oldest = part->run.newest = realtime;
    }
    return 1;
}

static void run(Part *part) {
    while (!part->broken && !part->failed && !part->done && part->at < part->size) {
        const uint8_t *object = part->block + part->at;
        uint64_t left = part->size - part->at, offset = part->base + part->at;
        if (left < HEADER) return;
        uint32_t kind = object[0], flags = object[1];
        uint64_t size = number(object + 8), reserved = 0;
        memcpy(&reserved, object + 2, 6);
        if (kind < 1 || kind > LAST_KIND || reserved || size < HEADER || size > LARGEST_OBJECT || flags & ~7U
            || (flags && kind != DATA) || offset >= part->walk->size || size > part->walk->size - offset) {
            part->broken = 1;
            return;
        }
        if (kind == DATA && !data(part, object, left, size, flags)) return;
        if (kind == ENTRY && !entry(part, object, left, size)) return;
        part->done = offset == part->last;
        part->broken |= offset > part->last;
        part->at += (size + 7) & ~UINT64_C(7);
    }
}

/* -- the Python side */

static void walk_dealloc(PyObject *self) {
    Walk *walk = (Walk *)self;
    PyTypeObject *type = Py_TYPE(self);
    free(walk->known);
    free(walk->names);
    free(walk->wanted);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *walk_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = { "compact", "size", NULL };
    int compact;
    unsigned long long size;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "pK", names, &compact, &size)) return NULL;
    if (size > LARGEST_FILE) {
        PyErr_SetString(PyExc_ValueError, "the file is larger than 4 GiB");
        return NULL;
    }
    Walk *walk = (Walk *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!walk) return NULL;
    walk->payload = compact ? 72 : 64;
    walk->width = compact ? 4 : 16;
    walk->size = size;
    walk->known = calloc((size_t)(size / 64) + 1, 1);
    walk->names = calloc((size_t)(size / 64) + 1, 1);
    walk->wanted = calloc((size_t)(size / 64) + 1, 1);
    if (!walk->known || !walk->names || !walk->wanted) {
        Py_DECREF(walk);
        return PyErr_NoMemory();
    }
    return (PyObject *)walk;
}

static PyObject *taken(Buffer *buffer) { return PyBytes_FromStringAndSize((const char *)buffer->bytes, (Py_ssize_t)buffer->used); }

static PyObject *walk_block(PyObject *self, PyObject *arguments) {
    const char *block;
    Py_ssize_t size, from;
    unsigned long long base, last;
    if (!PyArg_ParseTuple(arguments, "y#nKK:block", &block, &size, &from, &base, &last)) return NULL;
    if (from < 0 || from > size || base > LARGEST_FILE) {
        PyErr_SetString(PyExc_ValueError, "the place is not in the block, or the block not in the file");
        return NULL;
    }
    Part part = { .walk = (Walk *)self, .block = (const uint8_t *)block, .at = (uint64_t)from, .size = (uint64_t)size,
                  .base = base, .last = last };
    Py_BEGIN_ALLOW_THREADS
    run(&part);
    if (part.run.newest) append(&part, &part.runs, &part.run, sizeof part.run);
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (part.failed) PyErr_NoMemory();
    else if (part.broken) {
        Py_INCREF(Py_None);
        result = Py_None;
    } else
        result = Py_BuildValue("KONNNNN", (unsigned long long)part.at, part.done ? Py_True : Py_False, taken(&part.text),
                               taken(&part.messages), taken(&part.others), taken(&part.entries), taken(&part.runs));
    Buffer *buffers[] = { &part.text, &part.messages, &part.others, &part.entries, &part.runs };
    for (size_t at = 0; at < sizeof buffers / sizeof *buffers; at++) free(buffers[at]->bytes);
    return result;
}

static PyObject *walk_want(PyObject *self, PyObject *arguments) {
    Walk *walk = (Walk *)self;
    unsigned long long offset;
    if (!PyArg_ParseTuple(arguments, "K:want", &offset)) return NULL;
    if (offset >= walk->size || !is_set(walk->known, offset)) {
        PyErr_SetString(PyExc_ValueError, "no data object begins there");
        return NULL;
    }
    set(walk->wanted, offset);
    Py_RETURN_NONE;
}

/* The entries of a block (as block() gave them) that have a wanted field: of each the offset, the field's, and that of its
 * identifier (0: it has none that can be told). */
static PyObject *walk_choose(PyObject *self, PyObject *arguments) {
    const Walk *walk = (Walk *)self;
    const char *block, *entries;
    Py_ssize_t size, length;
    unsigned long long base;
    if (!PyArg_ParseTuple(arguments, "y#Ky#:choose", &block, &size, &base, &entries, &length)) return NULL;
    size_t width = walk->width == 4 ? 4 : 8, count = (size_t)length / width;
    Part part = { .walk = (Walk *)self };
    Py_BEGIN_ALLOW_THREADS
    for (size_t at = 0; at < count && !part.failed; at++) {
        uint32_t narrow;
        uint64_t offset;
        memcpy(&narrow, entries + at * width, sizeof narrow);
        if (width == 4) offset = narrow;
        else memcpy(&offset, entries + at * width, sizeof offset);
        if (offset < base || offset - base >= (uint64_t)size || (uint64_t)size - (offset - base) < ENTRY_FIXED) continue;
        const uint8_t *object = (const uint8_t *)block + (offset - base);
        uint64_t held = number(object + 8);
        if (held < ENTRY_FIXED || held > (uint64_t)size - (offset - base)) continue;
        uint64_t fields = (held - ENTRY_FIXED) / walk->width, name = 0;
        for (uint64_t field = 0; field < fields; field++) {
            uint64_t value = item(walk, object + ENTRY_FIXED, field);
            if (value >= walk->size || !is_set(walk->wanted, value)) continue;
            for (uint64_t other = 0; other < fields && !name; other++) {
                uint64_t found = item(walk, object + ENTRY_FIXED, other);
                if (found < walk->size && is_set(walk->names, found)) name = found;
            }
            append(&part, &part.entries, &offset, sizeof offset);
            append(&part, &part.entries, &value, sizeof value);
            append(&part, &part.entries, &name, sizeof name);
        }
    }
    Py_END_ALLOW_THREADS
    PyObject *result = part.failed ? PyErr_NoMemory() : taken(&part.entries);
    free(part.entries.bytes);
    return result;
}

static PyMethodDef walk_methods[] = {
    { "block", walk_block, METH_VARARGS,
      "block(data, start, base, last) -> (end, done, text, messages, others, entries, runs), or None for what journald did\n"
      "not write. ``base``: the file's offset of data[0]; ``last``: of the last object. ``end``: where the next object\n"
      "begins, counted as ``start``; ``text``: the messages, a line each; ``messages`` and ``others``: offsets (64 bits) of\n"
      "their objects, and of those to be looked at; ``entries``: offsets, as wide as in the file's arrays; ``runs``: entries\n"
      "of one boot on end: its id, and the oldest and newest time." },
    { "want", walk_want, METH_VARARGS, "want(offset): asks for the entries with the data object there." },
    { "choose", walk_choose, METH_VARARGS,
      "choose(data, base, entries) -> for each that has a wanted field three offsets of 64 bits: its own, the field's, and that\n"
      "of its identifier, or 0." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot walk_slots[] = {
    { Py_tp_new, walk_new },
    { Py_tp_dealloc, walk_dealloc },
    { Py_tp_methods, walk_methods },
    { Py_tp_doc, "Walk(compact, size): through the objects of a journal file of so many bytes." },
    { 0, NULL },
};

static PyType_Spec walk_spec = { "agent.logs.native._journal.Walk", sizeof(Walk), 0, Py_TPFLAGS_DEFAULT, walk_slots };

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&walk_spec);
    if (!type) return -1;
    if (PyModule_AddObject(module, "Walk", type)) {
        Py_DECREF(type);
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = { { Py_mod_exec, module_exec }, { 0, NULL } };
static PyModuleDef module = { PyModuleDef_HEAD_INIT, "_journal", "The walk through a journal file.", 0, NULL, module_slots, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__journal(void) { return PyModuleDef_Init(&module); }

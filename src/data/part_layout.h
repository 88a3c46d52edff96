/* The bytes of a part file, shared by its writer and its reader; private to
 * them. All numbers little-endian. */
#ifndef DATA_PART_LAYOUT_H
#define DATA_PART_LAYOUT_H

#include "data/part.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "part files are little-endian and are used in place"
#endif

#define PART_MAGIC "FUSRPART"
#define PART_VERSION 1u
#define PART_ALIGN 64u /* MEM_ALIGN: a section is used where it was read to */
#define PART_MAX_COLUMNS 4096u

enum part_section { SECTION_OFFSETS, SECTION_VALUES, SECTION_WEIGHTS };
#define PART_SECTIONS 3

struct part_header {
    char magic[8];
    uint32_t version;
    uint32_t features; // bits a reader must know; none yet
    uint64_t n_rows;
    uint32_t n_columns;
    uint32_t reserved; // 0
    uint64_t directory_offset;
    uint64_t directory_bytes;
    uint64_t directory_hash; // XXH3
    uint64_t header_hash;    // XXH3 of the bytes before this field
};

struct part_extent {
    uint64_t offset;
    uint64_t bytes; // 0: no such section
    uint64_t hash;  // XXH3
};

struct part_entry {
    char name[FIELD_NAME_MAX];
    uint32_t type;
    uint32_t width;
    uint32_t weighted;
    uint32_t reserved; // 0
    struct part_extent sections[PART_SECTIONS];
};

_Static_assert(sizeof(struct part_header) == 64, "no padding inside");
_Static_assert(sizeof(struct part_entry) == 136, "no padding inside");

/** Bytes of one value of a column: one row, or for lists one element. */
static inline size_t part_value_bytes(enum column_type type, uint32_t width)
{
    switch (type) {
    case COLUMN_U8:
        return 1;
    case COLUMN_U64:
    case COLUMN_I64:
        return 8;
    case COLUMN_F32:
        return 4 * (size_t)width;
    default:
        return 4;
    }
}

#endif

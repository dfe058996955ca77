#include "engine/library/library_impl.h"

void *hf_library__take(const hf_allocator *allocator, size_t size)
{
    void *block = allocator->take(allocator->context, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void hf_library__give(const hf_allocator *allocator, void *block, size_t size)
{
    if (block != NULL) {
        allocator->give(allocator->context, block, size);
    }
}

void hf_blob__open(hf_blob *blob, const hf_allocator *allocator)
{
    *blob = (hf_blob){ .allocator = allocator };
}

void hf_blob__close(hf_blob *blob)
{
    hf_library__give(blob->allocator, blob->data, blob->room);
    *blob = (hf_blob){ .allocator = blob->allocator };
}

static bool grow(hf_blob *blob, size_t wanted)
{
    uint64_t room = blob->room == 0 ? 128 : blob->room;
    while (room < wanted) {
        room *= 2;
    }
    uint8_t *data =
        room > INT32_MAX ? NULL : blob->allocator->take(blob->allocator->context, (size_t)room);
    if (data == NULL) {
        blob->failed = true;
        return false;
    }
    if (blob->size != 0) {
        memcpy(data, blob->data, blob->size);
    }
    hf_library__give(blob->allocator, blob->data, blob->room);
    blob->data = data;
    blob->room = (uint32_t)room;
    return true;
}

uint8_t *hf_blob__extend(hf_blob *blob, size_t size)
{
    if (blob->failed || (blob->room - blob->size < size && !grow(blob, blob->size + size))) {
        return NULL;
    }
    uint8_t *at = blob->data + blob->size;
    blob->size += (uint32_t)size;
    return at;
}

/* ---- RESP ---- */

static char *digits(uint64_t value, char *end)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

void hf_blob__head(hf_blob *blob, char kind, uint32_t count)
{
    char text[16];
    char *end = text + sizeof text;
    end[-1] = '\n';
    end[-2] = '\r';
    char *at = digits(count, end - 2);
    *--at = kind;
    hf_blob__raw(blob, at, (size_t)(end - at));
}

void hf_blob__word(hf_blob *blob, const void *data, size_t size)
{
    hf_blob__head(blob, '$', (uint32_t)size);
    hf_blob__raw(blob, data, size);
    hf_blob__raw(blob, "\r\n", 2);
}

void hf_blob__word_integer(hf_blob *blob, int64_t value)
{
    char text[24];
    char *end = text + sizeof text;
    char *at = digits(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, end);
    if (value < 0) {
        *--at = '-';
    }
    hf_blob__word(blob, at, (size_t)(end - at));
}

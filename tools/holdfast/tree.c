#include "tools/holdfast/tree.h"
#include "engine/base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { PATH_SIZE = 512, COLUMNS_MAX = 64 };

/* ---- Making ---------------------------------------------------------------------------------- */

hf_tree hf_tree_text(const char *text)
{
    return (hf_tree){ .kind = HF_TREE_TEXT, .text = hf_bytes_of(text, strlen(text)) };
}

hf_tree hf_tree_integer(int64_t value)
{
    return (hf_tree){ .kind = HF_TREE_INTEGER, .integer = value };
}

hf_tree hf_tree_boolean(bool value)
{
    return (hf_tree){ .kind = HF_TREE_BOOL, .boolean = value };
}

hf_tree *hf_tree_add(hf_tree *list, hf_tree item)
{
    bool is_power = (list->count & (list->count - 1)) == 0;
    if (is_power) { /* full: its room is the next power of two */
        size_t room = list->count == 0 ? 1 : list->count * 2;
        hf_tree *items = hf_tool_take(room * sizeof *items);
        if (list->count != 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
    }
    list->items[list->count] = item;
    return &list->items[list->count++];
}

void hf_tree_put(hf_tree *map, const char *name, hf_tree value)
{
    map->kind = HF_TREE_MAP;
    (void)hf_tree_add(map, hf_tree_text(name));
    (void)hf_tree_add(map, value);
}

/* ---- Looking --------------------------------------------------------------------------------- */

const hf_tree *hf_tree_find(const hf_tree *map, const char *name)
{
    hf_bytes wanted = hf_bytes_of(name, strlen(name));
    for (size_t i = 0; map != NULL && map->kind == HF_TREE_MAP && i < map->count; i += 2) {
        if (map->items[i].kind == HF_TREE_TEXT && hf_bytes_equal(map->items[i].text, wanted)) {
            return &map->items[i + 1];
        }
    }
    return NULL;
}

int64_t hf_tree_number(const hf_tree *map, const char *name)
{
    const hf_tree *found = hf_tree_find(map, name);
    int64_t value = 0;
    if (found == NULL) {
        return 0;
    }
    if (found->kind == HF_TREE_BOOL) {
        return found->boolean;
    }
    if (found->kind == HF_TREE_TEXT && hf_text_i64(found->text, &value) == HF_OK) {
        return value;
    }
    return found->kind == HF_TREE_INTEGER ? found->integer : 0;
}

/* ---- Bytes as text --------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `at`; 0: it is none. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size == 0 || at[0] > 0xf4 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
               (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90);
    return bad ? 0 : size;
}

static bool is_utf8(hf_bytes text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size(text.data + i, text.size - i);
        if (size == 0) {
            return false;
        }
        i += size;
    }
    return true;
}

void hf_tree_escape(hf_bytes text, FILE *out)
{
    for (size_t i = 0; i < text.size;) {
        uint8_t c = text.data[i];
        size_t size = utf8_size(text.data + i, text.size - i);
        /* U+0080 to U+009F are control characters too. */
        bool plain = size == 1 ? c >= 0x20 && c != 0x7f
                               : size > 1 && !(c == 0xc2 && text.data[i + 1] < 0xa0);
        if (c == '\\') {
            (void)fputs("\\\\", out);
        } else if (plain) {
            (void)fwrite(text.data + i, 1, size, out);
            i += size - 1;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            (void)fprintf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else {
            (void)fprintf(out, "\\x%02x", c);
        }
        i++;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hf_tree_unescape(const char *text, hf_bytes *out)
{
    uint8_t *to = hf_tool_take(strlen(text) + 1);
    size_t size = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] != '\\') {
            to[size++] = (uint8_t)text[i];
            continue;
        }
        i++;
        const char *letter = text[i] == '\0' ? NULL : strchr("n\nr\rt\t\\\\", text[i]);
        if (letter != NULL) {
            to[size++] = (uint8_t)letter[1];
        } else if (text[i] == 'x' && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            to[size++] = (uint8_t)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            return false;
        }
    }
    *out = hf_bytes_of(to, size);
    return true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_text(hf_bytes text, FILE *out)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            (void)fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            (void)fprintf(out, "\\u%04x", c);
        } else {
            (void)fputc(c, out);
        }
    }
    (void)fputc('"', out);
}

static void json_bytes(hf_bytes text, FILE *out)
{
    if (is_utf8(text)) {
        json_text(text, out);
        return;
    }
    (void)fputs("{\"hex\": \"", out);
    for (size_t i = 0; i < text.size; i++) {
        (void)fprintf(out, "%02x", text.data[i]);
    }
    (void)fputs("\"}", out);
}

/* The name of an entry has to be a string. */
static void json_name(const hf_tree *name, FILE *out)
{
    char digits[HF_TEXT_NUMBER];
    if (name->kind == HF_TREE_INTEGER) {
        (void)hf_text_put_i64(digits, name->integer);
        (void)fprintf(out, "\"%s\"", digits);
    } else if (is_utf8(name->text)) {
        json_text(name->text, out);
    } else {
        (void)fputs("\"hex:", out);
        for (size_t i = 0; i < name->text.size; i++) {
            (void)fprintf(out, "%02x", name->text.data[i]);
        }
        (void)fputc('"', out);
    }
}

/* The shortest of the texts that read back as the same number. */
static void json_real(double value, FILE *out)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) {
        (void)snprintf(text, sizeof text, "%.17g", value);
    }
    (void)fputs(isfinite(value) ? text : "null", out);
}

void hf_tree_json(const hf_tree *tree, FILE *out)
{
    bool is_map = tree->kind == HF_TREE_MAP;
    switch (tree->kind) {
    case HF_TREE_NULL:
        (void)fputs("null", out);
        break;
    case HF_TREE_BOOL:
        (void)fputs(tree->boolean ? "true" : "false", out);
        break;
    case HF_TREE_INTEGER:
        (void)fprintf(out, "%" PRId64, tree->integer);
        break;
    case HF_TREE_REAL:
        json_real(tree->real, out);
        break;
    case HF_TREE_TEXT:
    case HF_TREE_ERROR:
        json_bytes(tree->text, out);
        break;
    case HF_TREE_LIST:
    case HF_TREE_MAP:
        (void)fputc(is_map ? '{' : '[', out);
        for (size_t i = 0; i < tree->count; i++) {
            if (i != 0) {
                (void)fputs(is_map && i % 2 == 1 ? ": " : ", ", out);
            }
            if (is_map && i % 2 == 0) {
                json_name(&tree->items[i], out);
            } else {
                hf_tree_json(&tree->items[i], out);
            }
        }
        (void)fputc(is_map ? '}' : ']', out);
        break;
    }
}

/* ---- Lines for people ------------------------------------------------------------------------ */

static void put_scalar(const hf_tree *tree, FILE *out)
{
    switch (tree->kind) {
    case HF_TREE_NULL:
        (void)fputc('-', out);
        break;
    case HF_TREE_BOOL:
        (void)fputs(tree->boolean ? "yes" : "no", out);
        break;
    case HF_TREE_INTEGER:
        (void)fprintf(out, "%" PRId64, tree->integer);
        break;
    case HF_TREE_REAL:
        (void)fprintf(out, "%.10g", tree->real);
        break;
    case HF_TREE_TEXT:
    case HF_TREE_ERROR:
        if (tree->text.size == 0) {
            (void)fputs("\"\"", out); /* a column must not vanish */
        }
        hf_tree_escape(tree->text, out);
        break;
    case HF_TREE_LIST:
    case HF_TREE_MAP:
        hf_tree_json(tree, out);
        break;
    }
}

/* The same as a string of its own. */
static char *scalar(const hf_tree *tree)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        exit(hf_tool_say(HF_TOOL_SYSTEM, "no memory"));
    }
    put_scalar(tree, out);
    if (fclose(out) != 0) {
        exit(hf_tool_say(HF_TOOL_SYSTEM, "no memory"));
    }
    char *kept = memcpy(hf_tool_take(size + 1), text, size);
    free(text);
    return kept;
}

/* Columns on a terminal: continuation bytes of UTF-8 take none. */
static size_t width(const char *text)
{
    size_t columns = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        columns += ((uint8_t)text[i] & 0xc0) != 0x80;
    }
    return columns;
}

static void put_padded(const char *text, size_t columns, bool right, FILE *out)
{
    size_t own = width(text);
    int blanks = own < columns ? (int)(columns - own) : 0;
    if (right) {
        (void)fprintf(out, "%*s%s", blanks, "", text);
    } else {
        (void)fprintf(out, "%s%*s", text, blanks, "");
    }
}

static bool is_table(const hf_tree *list)
{
    if (list->kind != HF_TREE_LIST || list->count == 0) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind != HF_TREE_MAP || list->items[i].count != list->items[0].count ||
            list->items[i].count > 2 * (size_t)COLUMNS_MAX) {
            return false;
        }
    }
    return true;
}

static void put_upper(const char *text, char *out, size_t size)
{
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < size; i++) {
        char c = text[i];
        out[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    out[i] = '\0';
}

static void table(const hf_tree *list, bool colour, FILE *out)
{
    size_t columns = list->items[0].count / 2;
    size_t rows = list->count + 1;
    size_t widths[COLUMNS_MAX] = { 0 };
    bool right[COLUMNS_MAX];
    char **cells = hf_tool_take(rows * columns * sizeof *cells);
    for (size_t column = 0; column < columns; column++) {
        char *name = scalar(&list->items[0].items[2 * column]);
        put_upper(name, name, strlen(name) + 1);
        cells[column] = name;
        right[column] = true;
        for (size_t row = 1; row < rows; row++) {
            const hf_tree *cell = &list->items[row - 1].items[2 * column + 1];
            cells[row * columns + column] = scalar(cell);
            right[column] = right[column] && cell->kind == HF_TREE_INTEGER;
        }
        for (size_t row = 0; row < rows; row++) {
            size_t own = width(cells[row * columns + column]);
            widths[column] = own > widths[column] ? own : widths[column];
        }
    }
    for (size_t row = 0; row < rows; row++) {
        (void)fputs(colour && row == 0 ? "\033[1m" : "", out);
        for (size_t column = 0; column < columns; column++) {
            bool last = column + 1 == columns && !right[column];
            put_padded(cells[row * columns + column], last ? 0 : widths[column], right[column],
                       out);
            (void)fputs(column + 1 == columns ? "" : "  ", out);
        }
        (void)fputs(colour && row == 0 ? "\033[0m\n" : "\n", out);
    }
}

/* A map within a map is told by names with a dot. */
static void flat_width(const hf_tree *map, size_t before, size_t *most)
{
    for (size_t i = 0; i < map->count; i += 2) {
        size_t own = before + width(scalar(&map->items[i]));
        if (map->items[i + 1].kind == HF_TREE_MAP) {
            flat_width(&map->items[i + 1], own + 1, most);
        } else {
            *most = own > *most ? own : *most;
        }
    }
}

static void flat(const hf_tree *map, const char *path, size_t columns, bool colour, FILE *out)
{
    for (size_t i = 0; i < map->count; i += 2) {
        const hf_tree *value = &map->items[i + 1];
        char name[PATH_SIZE];
        (void)snprintf(name, sizeof name, "%s%s", path, scalar(&map->items[i]));
        if (value->kind == HF_TREE_MAP) {
            size_t size = strlen(name);
            (void)snprintf(name + size, sizeof name - size, ".");
            flat(value, name, columns, colour, out);
        } else {
            (void)fputs(colour ? "\033[1m" : "", out);
            put_padded(name, columns, false, out);
            (void)fputs(colour ? "\033[0m  " : "  ", out);
            put_scalar(value, out);
            (void)fputc('\n', out);
        }
    }
}

void hf_tree_lines(const hf_tree *tree, bool colour, FILE *out)
{
    size_t most = 0;
    if (is_table(tree)) {
        table(tree, colour, out);
    } else if (tree->kind == HF_TREE_MAP) {
        flat_width(tree, 0, &most);
        flat(tree, "", most, colour, out);
    } else if (tree->kind == HF_TREE_LIST) {
        for (size_t i = 0; i < tree->count; i++) {
            hf_tree_lines(&tree->items[i], colour, out);
        }
    } else {
        put_scalar(tree, out);
        (void)fputc('\n', out);
    }
}

void hf_tree_show(const hf_tool *tool, const hf_tree *tree)
{
    if (tool->json) {
        hf_tree_json(tree, stdout);
        (void)fputc('\n', stdout);
    } else {
        hf_tree_lines(tree, tool->colour, stdout);
    }
}

/* COMMAND DOCS. redis-cli builds its hints from "arguments", a list of maps. Ours come from the
 * row's syntax text, one for each word or bracket of it: the name is the text as it is to be shown.
 */
#include "engine/command/introspect.h"

/* The next word or bracket of the syntax from `*at` on; false at its end. */
static bool next_piece(const char *syntax, uint32_t *at, hf_bytes *piece)
{
    while (syntax[*at] == ' ') {
        *at += 1;
    }
    uint32_t start = *at;
    uint32_t depth = 0;
    while (syntax[*at] != 0 && (depth != 0 || syntax[*at] != ' ')) {
        depth += syntax[*at] == '[' ? 1 : 0;
        depth -= syntax[*at] == ']' ? 1 : 0;
        *at += 1;
    }
    *piece = hf_bytes_of(syntax + start, *at - start);
    return piece->size != 0;
}

static void put_argument(hf_buf *reply, hf_bytes piece, uint8_t proto)
{
    bool optional = piece.data[0] == '[' && piece.data[piece.size - 1] == ']';
    hf_resp_map(reply, optional ? 3 : 2, proto);
    hf_resp_bulk(reply, HF_LIT("name"));
    hf_resp_bulk(reply, optional ? hf_bytes_of(piece.data + 1, piece.size - 2) : piece);
    hf_resp_bulk(reply, HF_LIT("type"));
    hf_resp_bulk(reply, HF_LIT("string"));
    if (optional) {
        hf_resp_bulk(reply, HF_LIT("flags"));
        hf_resp_set(reply, 1, proto);
        hf_resp_simple(reply, "optional");
    }
}

static void put_arguments(hf_buf *reply, const char *syntax, uint8_t proto)
{
    hf_bytes piece;
    uint32_t count = 0;
    for (uint32_t at = 0; next_piece(syntax, &at, &piece);) {
        count++;
    }
    hf_resp_array(reply, count);
    for (uint32_t at = 0; next_piece(syntax, &at, &piece);) {
        put_argument(reply, piece, proto);
    }
}

static void put_pair(hf_buf *reply, const char *name, const char *value)
{
    hf_resp_bulk(reply, hf_bytes_of(name, strlen(name)));
    hf_resp_bulk(reply, hf_bytes_of(value, strlen(value)));
}

void hf_command__put_docs(hf_buf *reply, const hf_command *command, uint8_t proto)
{
    bool arguments = command->syntax[0] != 0;
    hf_resp_bulk(reply, hf_bytes_of(command->name, strlen(command->name)));
    hf_resp_map(reply, arguments ? 4 : 3, proto);
    put_pair(reply, "summary", command->summary);
    put_pair(reply, "since", command->since);
    put_pair(reply, "group", command->group);
    if (arguments) {
        hf_resp_bulk(reply, HF_LIT("arguments"));
        put_arguments(reply, command->syntax, proto);
    }
}

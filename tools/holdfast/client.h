/* hf_client: one connection to a node, one command at a time, in RESP3.
 *
 * Says what went wrong itself; the caller passes the exit code on.
 */
#ifndef HF_TOOL_CLIENT_H
#define HF_TOOL_CLIENT_H
#include "tools/holdfast/tree.h"

typedef struct hf_tool_client {
    int fd;
    const char *at;
    uint64_t timeout_ns; /* of one command */
    uint64_t until_ns;   /* of the command under way */
    uint8_t *in;
    size_t from, to, room;
    bool quiet; /* a failed connection is not worth a word */
} hf_tool_client;

/* HF_TOOL_OK, or the exit code of what was said. */
int hf_tool_client_open(hf_tool_client *client, const hf_tool *tool);
void hf_tool_client_close(hf_tool_client *client);
/* Sends the words and reads the reply. An error reply is HF_TOOL_SERVER, and said. */
int hf_tool_client_ask(hf_tool_client *client, const hf_bytes *words, uint32_t count,
                       hf_tree *reply);
/* The same for strings; the list ends with NULL. */
int hf_tool_client_call(hf_tool_client *client, hf_tree *reply, ...) __attribute__((sentinel));

#endif

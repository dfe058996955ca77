/* Between introspect.c and docs.c only. */
#ifndef HF_COMMAND_INTROSPECT_H
#define HF_COMMAND_INTROSPECT_H
#include "engine/command/command_impl.h"

/* The command's name and the map of COMMAND DOCS. */
void hf_command__put_docs(hf_buf *reply, const hf_command *command, uint8_t proto);

#endif

#include "engine/shard/request.h"

void hf_txn_reader_open(hf_txn_reader *reader, const hf_msg_txn *msg, hf_buf *args)
{
    *reader = (hf_txn_reader){ .in = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg)),
                               .args = args,
                               .conditions = msg->condition_count,
                               .commands = msg->command_count,
                               .fences = msg->lock_count };
    (void)hf_read_lent(&reader->in, msg->recipe_size);
}

hf_bytes hf_txn_recipe(const hf_msg_txn *msg)
{
    return hf_bytes_of((const uint8_t *)msg + sizeof *msg, msg->recipe_size);
}

bool hf_txn_next_condition(hf_txn_reader *reader, hf_txn_condition *condition)
{
    if (reader->conditions == 0) {
        return false;
    }
    reader->conditions--;
    condition->kind = (hf_condition_kind)hf_read_u8(&reader->in);
    condition->compare = (hf_compare)hf_read_u8(&reader->in);
    condition->stamp = hf_read_u64(&reader->in);
    condition->key = hf_read_bytes(&reader->in);
    condition->operand = hf_read_bytes(&reader->in);
    HF_ASSERT(!reader->in.bad);
    return true;
}

/* Appends the arguments to the reader's. */
static bool read_command(hf_txn_reader *reader, hf_txn_command *command)
{
    const uint8_t *at = reader->in.at;
    const uint8_t *end = reader->in.end;
    uint16_t id;
    uint32_t argc;
    uint32_t size;
    HF_ASSERT(end - at >= 10);
    memcpy(&command->piece, at, sizeof command->piece);
    memcpy(&id, at + 4, sizeof id);
    memcpy(&argc, at + 6, sizeof argc);
    at += 10;
    command->argc = argc;
    command->command = hf_command_at(id);
    hf_bytes *args = (hf_bytes *)(void *)hf_buf_extend(reader->args, argc * (uint32_t)sizeof *args);
    if (args == NULL) {
        return false;
    }
    HF_ASSERT(command->command != NULL);
    for (const hf_bytes *arg = args + argc; args != arg; args++) {
        HF_ASSERT(end - at >= (ptrdiff_t)sizeof size); /* nor was the one before too long */
        memcpy(&size, at, sizeof size);
        *args = hf_bytes_of(at + sizeof size, size);
        at += sizeof size + size;
    }
    HF_ASSERT(at <= end);
    args -= argc;
    command->encoded = hf_bytes_of(reader->in.at, (size_t)(at - reader->in.at));
    reader->in.at = at;
    command->args = args;
    return true;
}

static inline void skip_conditions(hf_txn_reader *reader)
{
    hf_txn_condition skipped;
    while (reader->conditions != 0 && hf_txn_next_condition(reader, &skipped)) {
    }
}

bool hf_txn_next_command(hf_txn_reader *reader, hf_txn_command *command)
{
    skip_conditions(reader);
    if (reader->commands == 0) {
        return false;
    }
    reader->commands--;
    hf_buf_reset(reader->args);
    HF_ASSERT(read_command(reader, command));
    return true;
}

bool hf_txn_read_commands(hf_txn_reader *reader, hf_buf *commands)
{
    skip_conditions(reader);
    hf_buf_reset(reader->args);
    hf_buf_reset(commands);
    hf_txn_command *all =
        (hf_txn_command *)(void *)hf_buf_extend(commands, reader->commands * (uint32_t)sizeof *all);
    if (all == NULL) {
        return reader->commands == 0;
    }
    uint32_t count = reader->commands;
    for (; reader->commands != 0; reader->commands--) {
        if (!read_command(reader, &all[count - reader->commands])) {
            return false;
        }
    }
    const hf_bytes *args = (const hf_bytes *)(const void *)reader->args->data;
    for (uint32_t i = 0; i < count; i++) { /* they stand still now */
        all[i].args = args;
        args += all[i].argc;
    }
    return true;
}

bool hf_txn_next_fence(hf_txn_reader *reader, hf_txn_fence *fence)
{
    hf_txn_command skipped;
    while ((reader->conditions | reader->commands) != 0 && hf_txn_next_command(reader, &skipped)) {
    }
    if (reader->fences == 0) {
        return false;
    }
    reader->fences--;
    fence->mode = (hf_lock_mode)hf_read_u8(&reader->in);
    fence->is_range = hf_read_u8(&reader->in) != 0;
    fence->start = hf_read_bytes(&reader->in);
    fence->end = hf_read_bytes(&reader->in);
    HF_ASSERT(!reader->in.bad);
    return true;
}

hf_bytes hf_txn_mutations(const hf_msg_txn *msg, hf_buf *args)
{
    hf_txn_reader reader;
    hf_txn_fence skipped;
    hf_txn_reader_open(&reader, msg, args);
    while (hf_txn_next_fence(&reader, &skipped)) {
    }
    return hf_read_lent(&reader.in, hf_reader_left(&reader.in));
}

void hf_txn_put_condition(hf_buf *out, const hf_txn_condition *condition)
{
    hf_buf_u8(out, (uint8_t)condition->kind);
    hf_buf_u8(out, (uint8_t)condition->compare);
    hf_buf_u64(out, condition->stamp);
    hf_buf_bytes(out, condition->key);
    hf_buf_bytes(out, condition->operand);
}

void hf_txn_put_command(hf_buf *out, uint32_t piece, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    uint64_t size = 2 * sizeof(uint32_t) + sizeof(uint16_t);
    for (uint32_t i = 0; i < argc; i++) {
        size += sizeof(uint32_t) + args[i].size;
    }
    uint8_t *at = hf_buf_extend(out, size <= UINT32_MAX ? (uint32_t)size : UINT32_MAX);
    if (at == NULL) {
        return;
    }
    memcpy(at, &piece, sizeof piece);
    memcpy(at + 4, &command->id, sizeof command->id);
    memcpy(at + 6, &argc, sizeof argc);
    at += 10;
    for (uint32_t i = 0; i < argc; i++) {
        memcpy(at, &args[i].size, sizeof args[i].size);
        hf_bytes_copy(at + 4, args[i]);
        at += 4 + args[i].size;
    }
}

void hf_txn_put_fence(hf_buf *out, hf_lock_mode mode, bool is_range, hf_bytes start, hf_bytes end)
{
    hf_buf_u8(out, (uint8_t)mode);
    hf_buf_u8(out, is_range);
    hf_buf_bytes(out, start);
    hf_buf_bytes(out, end);
}

void hf_txn_copy_command(hf_buf *out, uint32_t piece, const hf_txn_command *command)
{
    uint32_t size = command->encoded.size;
    uint8_t *at = size == 0 ? NULL : hf_buf_extend(out, size);
    if (at != NULL) {
        memcpy(at, command->encoded.data, size);
        memcpy(at, &piece, sizeof piece);
    } else if (size == 0) {
        hf_txn_put_command(out, piece, command->command, command->args, command->argc);
    }
}

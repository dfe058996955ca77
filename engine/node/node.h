/* hf_node: one node: its data directory, reactors and shards, from start to a clean stop.
 *
 * States of a run:
 *
 *     opening   directory, memory, reactors, listeners; a thread per shard takes its memory, on its
 *               own processor, and opens its shard. Any failure ends here, nothing has begun.
 *     booting   the shards read their checkpoints and logs; clients may connect and are told to
 * wait serving   all shards are ready draining  SIGTERM or SIGINT came: each shard is told, by its
 * own thread, to stop ended     all have stopped; threads are joined, the directory is let go
 *
 * A drain that takes longer than config->drain_ns ends the process with HF_EXIT_INTERNAL; what was
 * acknowledged is on disk all the same.
 *
 * The main thread waits for signals and for words from the cores; it touches no shard.
 *
 * A second signal, half a second or more after the first, ends the process at once, by that signal.
 * That is a crash, and as safe as one.
 */
#ifndef HF_NODE_NODE_H
#define HF_NODE_NODE_H
#include "engine/node/config.h"
#include "engine/node/log.h"

/* Runs the node until it is told to stop. The answer is the process's exit code; what went wrong
 * has been logged. `config` is resolved (hf_config_resolve). */
HF_MUST_USE hf_exit hf_node_run(const hf_config *config, hf_oplog *log);

#endif

/* `holdfast sim`: the whole engine in one thread and a faulty world (tests/sim/run.h).
 *
 * argv[0] is "sim". Answers the exit code: 0 ok, 1 a check failed, 2 wrong usage, 3 no progress,
 * 4 a crash.
 */
#ifndef HF_TOOLS_HOLDFAST_SIM_H
#define HF_TOOLS_HOLDFAST_SIM_H

int hf_tool_sim(int argc, char **argv);

#endif

"""Claim: `holdfast selftest` measures the disk, the loopback and the processors, and leaves nothing behind."""

import os
import tempfile

import tool
from tool import ToolTest


class Selftest(ToolTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="holdfast-selftest-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def series(self, found):
        for name, figures in found.items():
            if isinstance(figures, dict) and "p50_us" in figures:
                yield name, figures
            elif isinstance(figures, dict):
                yield from self.series(figures)

    def test_every_figure_is_measured(self):
        found = self.json("selftest", "--each", "200ms", self.folder)
        names = [name for name, _ in self.series(found)]
        self.assertEqual(names, ["durable_write_4k", "durable_write_64k", "durable_write_256k", "both_sleep",
                                 "both_spin", "processors_round_trip"])
        for name, figures in self.series(found):
            self.assertGreater(figures["count"], 0, name)
            self.assertGreater(figures["min_us"], 0, name)
            self.assertLessEqual(figures["min_us"], figures["p50_us"] * 1.001, name)
            self.assertLessEqual(figures["p50_us"], figures["p99_us"], name)
            self.assertLessEqual(figures["p99_us"], figures["max_us"] * 1.02, name)
        self.assertIs(found["io_uring"]["works"], True)
        self.assertEqual(found["machine"]["processors"], len(os.sched_getaffinity(0)))
        self.assertEqual(os.listdir(self.folder), [])

    def test_what_cannot_be_done_is_told(self):
        self.refused(74, "No such file", "selftest", "--each", "10ms", os.path.join(self.folder, "nowhere"))
        self.refused(2, "does not understand", "selftest", "--each", "soon")
        self.refused(2, "does not understand", "selftest", ".", "..")


if __name__ == "__main__":
    tool.main()

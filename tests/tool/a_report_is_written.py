"""Claim: bench/report/run writes a report whose parts, plots and figures are all there."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

import tool
from tool import SOURCE, ToolTest

sys.path.insert(0, os.path.join(SOURCE, "bench", "report"))

import plot  # noqa: E402


class Plots(unittest.TestCase):
    def test_axes_hold_what_is_drawn(self):
        for most in (0, 0.003, 0.5, 1, 7, 99, 100, 12345, 999999):
            ticks = plot.nice(most)
            self.assertGreaterEqual(ticks[-1], most)
            self.assertLessEqual(len(ticks), 8, most)
            self.assertEqual(ticks, sorted(set(ticks)))

    def test_every_point_is_drawn_inside(self):
        picture = xml.fromstring(plot.plot("a < b", "x", "y", [("one", [(1, 2), (3, 9)]), ("two", [(2, 4)])], [(1, "here")]))
        circles = picture.findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(circles), 3)
        for circle in circles:
            self.assertTrue(0 < float(circle.get("cx")) < plot.WIDTH and 0 < float(circle.get("cy")) < plot.HEIGHT)


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class Report(ToolTest):
    def test_the_whole(self):
        with tempfile.TemporaryDirectory(prefix="holdfast-report-") as folder:
            out = os.path.join(folder, "report")
            done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "bench", "report", "run"), "--bin", self.bin,
                                   "--out", out, "--rounds", "1", "--seconds", "0.2", "--peers", "redis", "--note",
                                   "a test"], capture_output=True, text=True, timeout=580, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(out, "README.md"), encoding="utf-8") as report:
                text = report.read()
            for title in ("The machine, and its floor", "What is compared", "Where Holdfast loses", "What a request costs",
                          "Embedded: no socket, no parsing",
                          "Latency up to saturation", "A timeline over checkpoints", "Exact commands"):
                self.assertIn(f"## {title}\n", text)
            self.assertIn("a test", text)
            self.assertNotIn(tempfile.gettempdir() + "/", text)
            for name in ("curve-set.svg", "curve-set-p16.svg", "curve-transfer.svg", "timeline.svg", "timeline-p99.svg"):
                self.assertIn(f"]({name})", text)
                xml.parse(os.path.join(out, name))
            with open(os.path.join(out, "measurements.json"), encoding="utf-8") as measurements:
                found = json.load(measurements)
            self.assertGreater(len(found["served"]), 10)
            self.assertEqual({(one["kind"], one["cores"]) for one in found["embedded"]},
                             {("add", 1), ("add", 2), ("get", 1), ("get", 2), ("local", 2), ("transfer", 2)})


if __name__ == "__main__":
    tool.main()

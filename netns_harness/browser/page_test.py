#!/usr/bin/env python3
"""The page of a run, in a real browser: it needs no network and complains of nothing, nothing overlaps or is cut off, a click shows what
it promises; wide and narrow. page_test.py RESULT_DIR [SCREENSHOT_DIR]. What is about counterexamples is tested where the run has some."""
import json
import os
import sys
import unittest

import web_driver

RESULT = sys.argv[1]
SCREENSHOTS = sys.argv[2] if len(sys.argv) > 2 else None
WIDTHS = (1280, 800, 420)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(web_driver.Browser(WIDTHS[0], 900))
        with open(RESULT + "/result.json", encoding="utf-8") as file:
            cls.result = json.load(file)

    def setUp(self):
        self.browser.resize(WIDTHS[0], 900)
        self.browser.open(RESULT + "/report.html")
        self.browser.until("return document.readyState === 'complete'")

    def violations(self):
        found = [violation for property_ in self.result["properties"] for violation in property_["violations"]]
        self.assertEqual(self.result["verdict"] == "violated", bool(found))
        if not found:
            self.skipTest("a run without a counterexample")
        return found

    def unfold(self):
        """Everything that a reader could unfold, is."""
        for summary in self.browser.find("details:not([open]) > summary"):
            self.browser.click(summary)
        # What the page does when something unfolds, it does in tasks of their own.
        self.browser.evaluate("window.settled = false; requestAnimationFrame(() => requestAnimationFrame(() => { window.settled = true; }))")
        self.browser.until("return window.settled")

    def tearDown(self):
        self.assertEqual([], self.browser.complaints())

    def texts(self, selector):
        return self.browser.evaluate("return [...document.querySelectorAll(arguments[0])].map(found => found.textContent)", selector)

    def test_it_loads_nothing_but_itself(self):
        self.assertEqual([], self.browser.evaluate("return performance.getEntriesByType('resource').map(entry => entry.name)"))

    def test_verdict_and_properties_are_those_of_the_result(self):
        self.assertIn(self.result["verdict"], self.texts("h1 .badge"))
        text = self.browser.evaluate("return document.body.innerText")
        for property_ in self.result["properties"]:
            self.assertIn(property_["name"], text)
        self.assertIn(str(self.result["seed"]), text)
        for word in ("undefined", "NaN", "[object", "null"):
            self.assertNotIn(word, text)

    def test_nothing_is_wider_than_the_window(self):
        self.unfold()
        for width in WIDTHS:
            self.browser.resize(width, 900)
            beyond = self.browser.evaluate("""
                return [...document.querySelectorAll('main *')]
                    .filter(each => !each.closest('svg, .lanes, .scroll > *') && each.getBoundingClientRect().right > innerWidth + 1)
                    .map(each => each.tagName + ' ' + each.className + ' ' + each.textContent.slice(0, 40))""")
            self.assertEqual([], beyond, "at %d pixels" % width)
            self.assertLessEqual(self.browser.evaluate("return document.documentElement.scrollWidth - innerWidth"), 0, "at %d pixels" % width)

    def test_no_two_texts_of_a_drawing_lie_over_each_other(self):
        self.unfold()
        over = self.browser.evaluate("""
            const over = [];
            for (const svg of document.querySelectorAll('main svg')) {
                if (!svg.getClientRects().length) continue;
                const texts = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim());
                const boxes = texts.map(text => text.getBoundingClientRect());
                for (let i = 0; i < texts.length; ++i)
                    for (let j = i + 1; j < texts.length; ++j) {
                        const width = Math.min(boxes[i].right, boxes[j].right) - Math.max(boxes[i].left, boxes[j].left);
                        const height = Math.min(boxes[i].bottom, boxes[j].bottom) - Math.max(boxes[i].top, boxes[j].top);
                        if (width > 2 && height > 5) over.push(texts[i].textContent + ' | ' + texts[j].textContent);
                    }
            }
            return over""")
        self.assertEqual([], over)

    def test_throughput_and_latency_are_drawn_over_time_with_the_faults(self):
        plots = self.browser.evaluate("""
            return [...document.querySelectorAll('svg.plot')].map(svg => ({label: svg.getAttribute('aria-label'), bands: svg.querySelectorAll('.band').length,
                strikes: svg.querySelectorAll('.strike').length, lines: [...svg.querySelectorAll('path.line')].map(line => line.getBBox().width)}))""")
        self.assertEqual(["Calls a second over time", "Latency of the calls over time", "Events a second over time"], [plot["label"] for plot in plots])
        self.assertEqual([1, 2, 1], [len(plot["lines"]) for plot in plots])
        for plot in plots:
            # From the first to the last interval; between, a line stops where no call was answered.
            self.assertGreater(min(plot["lines"]), 600, "%s is drawn over the time of the run" % plot["label"])
            self.assertEqual(bool(self.result["injected_faults"]), plot["bands"] > 0)
            self.assertEqual(bool(self.result["faults"]), plot["strikes"] > 0)

    def test_the_latency_that_is_drawn_is_the_results(self):
        intervals = [each for each in self.result["calls"]["intervals"] if each["width_ms"] >= 20 and each["answered"]]
        worst = max(each["p99_us"] for each in intervals) / 1000
        shown = self.browser.evaluate("return [...document.querySelectorAll('svg.plot')][1].querySelectorAll('text')[4].textContent")
        self.assertAlmostEqual(worst, float(shown.replace(",", "").removesuffix(" ms")), delta=worst * 0.01 + 0.5 * (worst < 1))

    def test_every_automaton_unfolds_at_a_click_and_is_drawn(self):
        summaries = self.browser.find("details.automaton > summary")
        self.assertEqual(len(self.result["properties"]), len(summaries))
        for place, summary in enumerate(summaries):
            self.browser.click(summary)
            box = self.browser.until("""
                const drawing = document.querySelectorAll('details .drawing svg')[arguments[0]];
                const box = drawing && drawing.getBoundingClientRect();
                return box && box.height > 0 && {width: box.width, height: box.height, states: drawing.querySelectorAll('g.node').length}""", place)
            self.assertGreater(box["width"], 60)
            self.assertGreaterEqual(box["states"], 2)

    def test_a_counterexample_has_a_lane_a_host_and_its_last_event_is_the_wrong_one(self):
        self.unfold()
        violations = self.violations()
        self.assertEqual(len(violations), len(self.browser.find(".counterexample")))
        for place, violation in enumerate(violations):
            section = "document.querySelectorAll('.counterexample')[arguments[0]]"
            events = self.browser.evaluate("return [..." + section + ".querySelectorAll('.event')].map(each => each.classList.contains('wrong'))", place)
            self.assertEqual(len(violation["history"]) + 1, len(events))
            self.assertEqual([len(events) - 1], [i for i, wrong in enumerate(events) if wrong])
            seen = self.browser.evaluate("""
                const lanes = %s.querySelector('.lanes').getBoundingClientRect();
                const wrong = %s.querySelector('.event.wrong circle').getBoundingClientRect();
                return wrong.left >= lanes.left && wrong.right <= lanes.right""" % (section, section), place)
            self.assertTrue(seen, "the violation is in sight without scrolling")

    def test_a_click_on_an_event_shows_its_fields(self):
        violations = self.violations()
        chosen = 0
        for place, events in enumerate(self.browser.evaluate("""
                return [...document.querySelectorAll('.counterexample')].map(each => each.querySelectorAll('.event').length)""")):
            if events < 2:
                continue
            violation = violations[place]
            event = self.browser.find(".counterexample")[place]
            self.browser.evaluate("document.querySelectorAll('.counterexample')[arguments[0]].scrollIntoView({block: 'center'})", place)
            circle = self.browser.find(".event circle", event)[events - 2]
            self.browser.click(circle)
            shown = self.browser.evaluate("return document.querySelectorAll('.counterexample')[arguments[0]].querySelector('.fields').innerText", place)
            for name, value in violation["history"][-1]["fields"].items():
                self.assertIn("%s = %s" % (name, value), shown)
            self.assertEqual(1, self.browser.evaluate("return document.querySelectorAll('.counterexample')[arguments[0]].querySelectorAll('.event.chosen').length", place))
            chosen += 1
            if chosen == 3:
                break
        self.assertGreater(chosen, 0)

    def test_the_keyboard_chooses_too(self):
        self.violations()
        group = self.browser.find(".event.wrong")[0]
        self.browser.evaluate("document.querySelector('.event.wrong').closest('.counterexample').querySelector('.event').focus()")
        first = self.browser.find(".counterexample .event")[0]
        self.assertNotEqual(group, first)
        self.browser.press(first, "\ue007")  # Enter
        self.assertTrue(self.browser.evaluate("return document.querySelector('.counterexample .event').classList.contains('chosen')"))

    def test_text_stands_out_from_what_is_behind_it(self):
        faint = self.browser.evaluate("""
            const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
            const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
            const behind = each => { for (; each; each = each.parentElement) { const colour = numbers(getComputedStyle(each).backgroundColor);
                if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
            return [...document.querySelectorAll('main *')].filter(each => !each.closest('svg') && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
                .filter(each => { const a = light(numbers(getComputedStyle(each).color)), b = light(behind(each));
                    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; })
                .map(each => each.className + ': ' + each.textContent.slice(0, 30))""")
        self.assertEqual([], sorted(set(faint)))

    def test_a_picture_of_the_whole_page_is_taken(self):
        for width in (WIDTHS[0], WIDTHS[-1]):
            self.browser.resize(width, 900)
            if width == WIDTHS[0]:
                self.browser.click(self.browser.find("details.automaton > summary")[0])
            path = os.path.join(SCREENSHOTS or self.browser.folder.name, "report-%d.png" % width)
            self.browser.screenshot(path)
            self.assertGreater(os.path.getsize(path), 20_000)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

"""The arithmetic of the table: `python3 -m unittest discover tests/bench`."""
import unittest
from xml.dom import minidom

from harness import plot, rows, table

GOAL = rows.Goal('row', 'cpu', 'CPU s', 'peer', 0.5)


def samples(ours, peer, other=None):
    columns = {'ours': ours, 'peer': peer} | ({'other': other} if other else {})
    return {'row': {name: {str(at): {'cpu': value} if value is not None else {'error': 'no'} for at, value in enumerate(values)}
                    for name, values in columns.items()}}


class Judging(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        # The machine was ten times slower in the second round, for both.
        one = rows.judge(GOAL, samples([1, 10, 2], [4, 40, 4]))
        self.assertEqual((one.middle, one.least, one.most, one.rounds), (0.25, 0.25, 0.5, 3))
        self.assertEqual((one.ours, one.theirs, one.met), (2, 4, True))

    def test_a_round_in_which_one_failed_does_not_count(self):
        one = rows.judge(GOAL, samples([1, 3, 1], [4, None, 2]))
        self.assertEqual((one.middle, one.rounds), (0.375, 2))
        self.assertIsNone(rows.judge(GOAL, samples([1], [None])))
        self.assertIsNone(rows.judge(GOAL, samples([None], [1])))
        self.assertIsNone(rows.judge(GOAL, {}))

    def test_the_limit_itself_is_met_and_what_is_beyond_is_not(self):
        for ours, at_least, met in ((2, False, True), (2.01, False, False), (2, True, True), (1.99, True, False)):
            goal = rows.Goal('row', 'cpu', 'CPU s', 'peer', 0.5, at_least)
            self.assertEqual(rows.judge(goal, samples([ours], [4])).met, met)

    def test_the_best_is_the_peer_with_the_least_median(self):
        goal = rows.Goal('row', 'cpu', 'CPU s', 'best', 0.5)
        one = rows.judge(goal, samples([1, 1, 1], [9, 2, 9], [3, 3, 3]))
        self.assertEqual((one.other, one.middle, one.met), ('other', 1 / 3, True))
        # What a load generator can do is no peer.
        found = samples([1], [4])
        found['row']['loadgen'] = {'0': {'cpu': 0.1}}
        self.assertEqual(rows.judge(goal, found).other, 'peer')

    def test_a_figure_alone_and_one_over_another_scenario(self):
        alone = rows.judge(rows.Goal('row', 'cpu', 'CPU s', '', 2), samples([1, 3, 2], []))
        self.assertEqual((alone.middle, alone.least, alone.most, alone.met), (2, 1, 3, True))
        found = {name: {'ours': {'0': {'cpu': value}}} for name, value in (('growth server 5 MiB', 2), ('growth server 1 GiB', 3))}
        grown = rows.judge(rows.Goal('growth server 1 GiB', 'cpu', 'CPU s', '=growth server 5 MiB', 1.25), found)
        self.assertEqual((grown.other, grown.middle, grown.met), ('5 MiB', 1.5, False))

    def test_every_goal_is_of_a_scenario_that_is_measured(self):
        class World:
            seconds, quick = 1.0, False
        measured = {scenario.name for scenario in rows.all_scenarios(World)}
        for goal in rows.goals():
            self.assertIn(goal.scenario, measured)
            if goal.other.startswith('='):
                self.assertIn(goal.other[1:], measured)


    def test_another_build_of_ours_is_told_beside_it_and_no_goal(self):
        class World:
            seconds, quick = 1.0, False
        found = rows.wanted(World, ('sessions', 'clients'), [], ('ring',))
        columns = {scenario.name: scenario.columns for scenario in found}
        self.assertEqual(columns['sessions plain'], ('ours', 'dovecot', 'replay', 'ring'))
        self.assertEqual(columns['client small plain'], ())
        made = {'sessions plain': {name: {'0': {'per_s': value}} for name, value in (('ours', 6), ('dovecot', 2), ('ring', 4))}}
        goal, beside = rows.judged(made)
        self.assertEqual((goal.other, goal.met, beside.other, beside.middle, beside.met), ('dovecot', True, 'ring', 1.5, None))
        text = table.markdown([goal, beside], Showing.RESULT)
        self.assertIn('| sessions plain | sessions/s | 6.00 | ring: 4.00 | 1.50 (1.50–1.50) | – | – |', text)
        self.assertIn('1 of 1 goals met.', text)
        self.assertEqual(plot.svg([goal, beside], Showing.RESULT).count('<circle'), 1)


class Showing(unittest.TestCase):
    RESULT = {'about': {'date': 'D', 'commit': 'C', 'changed': False, 'machine': 'a & b', 'peers': ['Dovecot 2.3']}, 'rounds': 3}

    def test_what_is_not_met_is_seen(self):
        judged = [rows.judge(GOAL, samples([3], [4])), rows.judge(GOAL, samples([1], [4]))]
        text = table.markdown(judged, self.RESULT)
        self.assertIn('| row | CPU s | 3.00 | peer: 4.00 | 0.75 (0.75–0.75) | ≤ 0.50 | **no** |', text)
        self.assertIn('1 of 2 goals met.', text)
        self.assertEqual(table.errors(samples([1], [None])), ['FAILED: row, peer, round 1: no'])

    def test_the_plot_is_well_formed_and_better_is_to_the_right(self):
        judged = [rows.judge(GOAL, samples([3], [4])), rows.judge(GOAL, samples([1], [4]))]
        drawing = minidom.parseString(plot.svg(judged, self.RESULT))
        worse, better = (float(circle.getAttribute('cx')) for circle in drawing.getElementsByTagName('circle'))
        self.assertLess(worse, better)


if __name__ == '__main__':
    unittest.main()

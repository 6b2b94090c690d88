"""Tables of what was measured."""

SHOWN = ('per_s', 'cpu_ms', 'resumed', 'mb_s', 'cpu_s_gb', 'kib_each', 'processes', 'stat_ms', 'list_ms', 'uidl_ms',
         'octets_per_message', 'us_per_message', 'wall', 'cpu', 'peak_kib', 'error')


def number(value):
    if value is None:
        return '–'
    size = abs(value)
    return f'{value:,.0f}' if size >= 100 else f'{value:.1f}' if size >= 10 else f'{value:.2f}' if size >= 0.1 else f'{value:.3f}'


def sample(scenario, column, values):
    """A line to follow a run by."""
    told = [f'{name}={values[name] if isinstance(values[name], str) else number(values[name])}'
            for name in SHOWN if name in values]
    return f'{scenario:32} {column:10} ' + ' '.join(told)


def markdown(judged, result):
    """The table, a line for each goal."""
    about = result['about']
    runs = [f'{run["date"]}, commit {run["commit"]}{" with changes" if run["changed"] else ""}, {run["machine"]}, '
            f'{run["rounds"]} rounds.' for run in result.get('runs', [about | {'rounds': result['rounds']}])]
    lines = [*runs, 'Peers: ' + ', '.join(about['peers']) + '.', '',
             '| row | what | ours | beside | ratio: median (least–greatest) | wanted | met |', '|---|---|---|---|---|---|---|']
    for one in judged:
        goal = one.goal
        sign = '≥' if goal.at_least else '≤'
        beside = f'{one.other}: {number(one.theirs)}' if goal.other else '–'
        range_ = f'({number(one.least)}–{number(one.most)})'
        ratio = f'{number(one.middle)} {range_}' if goal.other else range_
        limit = f'{sign} {number(goal.limit)} | {"yes" if one.met else "**no**"}' if goal.limit is not None else '– | –'
        lines.append(f'| {goal.scenario} | {goal.unit} | {number(one.ours)} | {beside} | {ratio} | {limit} |')
    goals = [one for one in judged if one.met is not None]
    lines.append(f'\n{sum(one.met for one in goals)} of {len(goals)} goals met.')
    return '\n'.join(lines)


def errors(samples):
    """What went wrong, a line each."""
    return [f'FAILED: {scenario}, {column}, round {int(round_) + 1}: {values["error"]}'
            for scenario, columns in samples.items() for column, rounds in columns.items()
            for round_, values in rounds.items() if values.get('error')]

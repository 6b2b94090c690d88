"""What is measured, and what is wanted of it: one entry for each row of the table."""
from dataclasses import dataclass
from statistics import median

from .world import say

PARTS = ('sessions', 'retr', 'idle', 'lists', 'clients', 'delivery', 'growth')
SECURITY = {'plain': 'plain', 'STLS': 'stls', 'TLS': 'tls'}


@dataclass
class Scenario:
    """Something that each column does in each round. `columns` are servers or clients."""
    part: str
    name: str
    mail: tuple
    columns: tuple
    # (world, server) for servers, (clients, column) for clients
    work: object
    fresh: bool = False
    most_rounds: int = 1000

    def rounds(self, wanted):
        return min(wanted, self.most_rounds)

    def run(self, servers, clients, number):
        """Each column's sample, one after the other, in an order that rotates with the rounds."""
        columns = list(self.columns or clients.names())
        turn = number % len(columns)
        for column in columns[turn:] + columns[:turn]:
            try:
                if self.part in ('clients', 'delivery') or self.name.startswith('growth client'):
                    if clients.takes_part(column, number):
                        yield column, self.work(clients, column)
                    continue
                server = servers.restart(column) if self.fresh else servers.get(column)
                if server:
                    yield column, self.work(servers, server)
                if self.fresh:
                    # Nor does it leave anything to the next: Dovecot keeps a process for each session that it had.
                    servers.stop(column)
            except Exception as error:  # A peer that fails is told of; it does not end the run.
                yield column, {'error': f'{type(error).__name__}: {error}'[:300]}


def all_scenarios(world):
    seconds, pair, trio = world.seconds, ('ours', 'dovecot'), ('ours', 'dovecot', 'replay')

    def sessions(tls, resume):
        return lambda servers, server: world.load('sessions', server, tls, user='u%', users=64, connections=8,
                                                  seconds=seconds, resume='yes' if resume else 'no')
    for name, tls, resume in (('plain', 'plain', 0), ('STLS', 'stls', 0), ('TLS full', 'tls', 0), ('TLS resumed', 'tls', 1)):
        yield Scenario('sessions', f'sessions {name}', (), trio, sessions(tls, resume))

    def retr(mail, tls, connections, pipeline, seconds=seconds):
        def work(servers, server):
            user = f'{mail}%' if connections else mail
            # Unmeasured, so that indexes and caches are there.
            for number in range(connections):
                key = (server.pid, mail, number)
                if key not in warm:
                    world.load('list', server, 'plain', user=f'{mail}{number}')
                    warm.add(key)
            return world.load('retr', server, tls, user=user, users=max(connections, 1), connections=max(connections, 1),
                              pipeline=pipeline, seconds=seconds)
        return work
    warm = set()
    for mail, pipelines in (('large', (1,)), ('dots', (1,)), ('small', (64, 1))):
        for pipeline in pipelines:
            for name in ('plain', 'TLS'):
                for connections in (1, 8):
                    ahead = f' p{pipeline}' if mail == 'small' else ''
                    yield Scenario('retr', f'retr {mail} {name} c{connections}{ahead}', (mail,), trio,
                                   retr(mail, SECURITY[name], connections, pipeline))

    connections = 50 if world.quick else 2000
    for name in ('plain', 'TLS'):
        yield Scenario('idle', f'idle {name}', ('idle',), pair,
                       lambda servers, server, tls=SECURITY[name]: world.load(
                           'idle', server, tls, user='idle%', users=connections + 1, connections=connections),
                       fresh=True, most_rounds=3)

    def lists(user, cold, iterations):
        def work(servers, server):
            # What the other server has noted too: ours would take over its ids, which cost memory.
            servers.forget(user)
            if not cold:
                # Unmeasured, and by another process: what there is to note is noted, and nothing is in memory.
                world.load('list', server, 'plain', user=user)
                server = servers.restart(server.name)
            return world.load('list', server, 'plain', user=user, iterations=iterations)
        return work
    for name, cold, iterations in (('cold', True, 1), ('warm', False, 3)):
        yield Scenario('lists', f'200,000 messages {name}', ('huge',), pair, lists('huge', cold, iterations), fresh=True)
    yield Scenario('lists', '200,000 bare names cold', ('bare',), pair, lists('bare', True, 1), fresh=True, most_rounds=4)

    def download(user, tls):
        return lambda clients, column: clients.sample(column, user, tls, deliver=False)
    for mail in ('small', 'large'):
        for name in ('plain', 'TLS'):
            yield Scenario('clients', f'client {mail} {name}', (mail,), (), download(f'{mail}0', SECURITY[name]))
    for name in ('plain', 'TLS'):
        yield Scenario('delivery', f'delivery {name}', ('mail',), ('ours', 'mpop'),
                       lambda clients, column, tls=SECURITY[name]: clients.sample(column, 'mail', tls, deliver=True))

    for user, iterations in (('one', 100), ('ten', 10), ('huge', 3)):
        count = {'one': '1,000', 'ten': '10,000', 'huge': '200,000'}[user]
        yield Scenario('growth', f'growth server {count} messages', (user,), ('ours',), lists(user, False, iterations))
    giants = () if world.quick else ('giant',)
    for mail in ('small', 'dots', 'large', *giants):
        octets = {'small': '4 KiB', 'dots': '64 KiB', 'large': '5 MiB', 'giant': '1 GiB'}[mail]
        yield Scenario('growth', f'growth server {octets}', (mail,), ('ours',),
                       retr(mail, 'plain', 0 if mail == 'giant' else 1, 64, 0 if mail == 'giant' else seconds))
        yield Scenario('growth', f'growth client {octets}', (mail,), ('ours',),
                       download(mail if mail == 'giant' else f'{mail}0', 'plain'))


def wanted(world, parts, beginnings, builds=()):
    """The rows asked for. Where ours is beside Dovecot, other builds of it have columns too."""
    found = [scenario for scenario in all_scenarios(world) if scenario.part in parts
             and (not beginnings or any(scenario.name.startswith(one.strip()) for one in beginnings))]
    for scenario in found:
        if 'dovecot' in scenario.columns:
            scenario.columns += builds
    return found


@dataclass
class Goal:
    """What is wanted of a figure of ours: alone, or over that of another column, or of another scenario. Without a limit it
    is told and nothing more."""
    scenario: str
    metric: str
    unit: str
    other: str
    limit: float | None
    at_least: bool = False


def goals():
    third, quarter = 1 / 3, 1 / 4
    for name in ('plain', 'STLS', 'TLS full', 'TLS resumed'):
        yield Goal(f'sessions {name}', 'per_s', 'sessions/s', 'dovecot', 3, True)
    for mail, limit in (('large', quarter), ('dots', quarter), ('small', third)):
        for ahead in ((' p64', ' p1') if mail == 'small' else ('',)):
            for name in ('plain', 'TLS'):
                for connections in (1, 8):
                    scenario = f'retr {mail} {name} c{connections}{ahead}'
                    yield Goal(scenario, 'cpu_s_gb', 'CPU s/GB', 'dovecot', limit)
                    if name == 'TLS' and mail != 'small':
                        yield Goal(scenario, 'mb_s', 'MB/s', 'replay', 0.6, True)
    for name, limit in (('plain', 24), ('TLS', 60)):
        yield Goal(f'idle {name}', 'kib_each', 'KiB', '', limit)
        yield Goal(f'idle {name}', 'kib_each', 'KiB', 'dovecot', 0.1)
    for state in ('cold', 'warm'):
        for metric, unit in (('stat_ms', 'login+STAT ms'), ('list_ms', 'LIST ms'), ('uidl_ms', 'UIDL ms')):
            yield Goal(f'200,000 messages {state}', metric, unit, 'dovecot', third)
        yield Goal(f'200,000 messages {state}', 'octets_per_message', 'octets/message', '', 100)
    yield Goal('200,000 bare names cold', 'stat_ms', 'login+STAT ms', 'dovecot', third)
    for mail, limit in (('small', 1.5), ('large', 1.3)):
        for name in ('plain', 'TLS'):
            scenario = f'client {mail} {name}'
            yield Goal(scenario, 'cpu_s_gb', 'CPU s/GB', 'loadgen', limit)
            if mail == 'small':
                yield Goal(scenario, 'mb_s', 'MB/s', 'loadgen', 0.7, True)
            else:
                yield Goal(scenario, 'peak_kib', 'peak KiB', '', 8192)
            yield Goal(scenario, 'cpu_s_gb', 'CPU s/GB', 'best', 0.5)
    for name in ('plain', 'TLS'):
        yield Goal(f'delivery {name}', 'cpu', 'CPU s', 'mpop', 1)
        yield Goal(f'delivery {name}', 'wall', 'wall s', 'mpop', 1)
    yield Goal('growth server 10,000 messages', 'us_per_message', 'µs/message', '=growth server 1,000 messages', 1.25)
    yield Goal('growth server 200,000 messages', 'us_per_message', 'µs/message', '=growth server 1,000 messages', 1.25)
    for side in ('server', 'client'):
        yield Goal(f'growth {side} 1 GiB', 'cpu_s_gb', 'CPU s/GB', f'=growth {side} 5 MiB', 1.25)
    yield Goal('growth client 1 GiB', 'peak_kib', 'peak KiB', '', 8192)


@dataclass
class Judged:
    goal: Goal
    ours: float
    other: str
    theirs: float
    # median, least, greatest: of the ratios of each round, or of our values where they are judged alone
    middle: float
    least: float
    most: float
    rounds: int
    met: bool | None


def judged(samples):
    """Every goal that there are samples for, and ours beside each other build of it."""
    wished = list(goals())
    peers = {'ours', 'dovecot', 'replay', 'loadgen'}
    for goal in [goal for goal in wished if goal.other == 'dovecot']:
        for build in sorted(set(samples.get(goal.scenario, {})) - peers):
            wished.append(Goal(goal.scenario, goal.metric, goal.unit, build, None, goal.at_least))
    found = [judge(goal, samples) for goal in wished]
    return [one for one in found if one]


def judge(goal, samples):
    ours = values(samples, goal.scenario, 'ours', goal.metric)
    if not ours:
        return None
    other, theirs = goal.other, {}
    if goal.other.startswith('='):
        other = goal.other.rsplit('growth ')[1].split(' ', 1)[1]
        theirs = values(samples, goal.other[1:], 'ours', goal.metric)
    elif goal.other == 'best':
        peers = {name: values(samples, goal.scenario, name, goal.metric) for name in samples[goal.scenario]
                 if name not in ('ours', 'loadgen')}
        peers = {name: found for name, found in peers.items() if found}
        if peers:
            other = min(peers, key=lambda name: median(peers[name].values()))
            theirs = peers[other]
    elif goal.other:
        theirs = values(samples, goal.scenario, goal.other, goal.metric)
    if not goal.other:
        figures = list(ours.values())
    else:
        figures = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
    if not figures:
        return None
    middle = median(figures)
    if goal.limit is None:
        met = None
    else:
        met = middle >= goal.limit if goal.at_least else middle <= goal.limit
    return Judged(goal, median(ours.values()), other, median(theirs.values()) if theirs else None,
                  middle, min(figures), max(figures), len(figures), met)


def values(samples, scenario, column, metric):
    """What a column had in each round that went well."""
    rounds = samples.get(scenario, {}).get(column, {})
    return {number: sample[metric] for number, sample in rounds.items() if sample.get(metric) is not None}

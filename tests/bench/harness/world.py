"""Where everything lies, and how processes are started and looked at."""
import json
import os
import select
import subprocess
import sys
import time

MAIL = {
    # Enough for each run to last; eight copies, as a maildrop has one session at a time.
    'small': ('small=20000*8', 'small=200*8'),
    'large': ('large=40*8', 'large=8*8'),
    'dots': ('dots=500*8', 'dots=20*8'),
    'mail': ('mail=300', 'mail=50'),
    'one': ('one=1000', 'one=100'),
    'ten': ('ten=10000', 'ten=500'),
    'huge': ('huge=200000', 'huge=2000'),
    'bare': ('bare=200000', 'bare=2000'),
    'giant': ('giant=1', None),
    'idle': ('idle=10*2001', 'idle=10*51'),
    'u': ('u=64', 'u=64'),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


class World:
    def __init__(self, root, programs, quick):
        self.root, self.programs, self.quick = root, programs, quick
        self.ca = root / 'tls/ca.pem'
        self.seconds = 0.2 if quick else 1.0

    def make(self, names):
        """The certificates and the mail of these names."""
        self.root.mkdir(parents=True, exist_ok=True)
        if self.root.stat().st_uid != os.getuid():
            sys.exit(f'compare: {self.root} is of somebody else')
        wanted = [MAIL[name][self.quick] for name in sorted(names | {'u'})]
        say('mail: ' + ' '.join(wanted))
        self.bench('certs', self.root)
        self.bench('corpus', self.root, *wanted)
        # Servers drop their rights.
        for path in [self.root, self.root / 'mail', self.root / 'tls', *(self.root / 'mail').iterdir()]:
            path.chmod(0o755)

    def bench(self, *arguments):
        done = subprocess.run([self.programs / 'pop3-bench', *map(str, arguments)], capture_output=True, text=True, timeout=1200)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-300:])
        return done.stdout

    def load(self, scenario, server, tls, **options):
        """One run of the load generator against a server."""
        options |= {'addr': server.address(tls), 'tls': tls, 'root': self.root, 'pid': server.pid}
        pairs = [text for name, value in options.items() for text in (f'--{name}', value)]
        return json.loads(self.bench('load', scenario, *pairs))

    def octets(self, user):
        """What all messages of a user have on the wire."""
        return sum(int(line.split()[0]) for line in open(self.root / 'manifest' / user))


def run(command, limit=120, **options):
    """Runs a client to its end: time on the clock and on the processor in seconds, and the most memory in KiB."""
    began = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    ended, peak = os.pidfd_open(child.pid), 0
    try:
        # The kernel's own maximum for a child counts the memory of its parent before exec: so look, now and then.
        lasted = 0
        while not select.select([ended], [], [], 0.002 if lasted < 0.05 else 0.01)[0]:
            peak = max(peak, high_water(child.pid))
            lasted = time.monotonic() - began
            if lasted > limit:
                child.kill()
        wall = time.monotonic() - began
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        os.close(ended)
    if child.returncode:
        raise RuntimeError(f'exit code {child.returncode}: {child.stderr.read().decode(errors="replace").strip()[-200:]}')
    child.stderr.close()
    return {'wall': wall, 'cpu': used.ru_utime + used.ru_stime, 'peak_kib': peak}


def high_water(pid):
    try:
        with open(f'/proc/{pid}/status') as status:
            return next((int(line.split()[1]) for line in status if line.startswith('VmHWM')), 0)
    except OSError:
        return 0

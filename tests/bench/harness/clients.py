"""The clients. Each logs in, retrieves all there is from the server that answers from memory, and quits."""
import os
import shlex
import shutil
import sys

from . import world as w


class Clients:
    def __init__(self, world, servers, extra):
        self.world, self.servers, self.extra = world, servers, extra
        self.scratch = world.root / 'clients'
        self.warm = set()

    def names(self):
        installed = [name for name in ('curl', 'mpop', 'fetchmail') if shutil.which(name)]
        return ['ours', 'loadgen', *installed, 'poplib', *self.extra]

    def takes_part(self, name, number):
        """Whether a client runs in this round: those that are far from the best need not hold up all rounds."""
        return name in self.names() and (name not in ('fetchmail', 'poplib') or number < 3)

    def sample(self, name, user, tls, deliver):
        """One run of one client."""
        server = self.servers.get('replay')
        if user not in self.warm:
            # So that no client waits until the server has read its mail.
            self.world.load('list', server, 'plain', user=user)
            self.warm.add(user)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700)
        maildir = self.scratch / 'maildir'
        if deliver:
            for part in ('cur', 'new', 'tmp'):
                (maildir / part).mkdir(parents=True)
        port = server.tls if tls == 'tls' else server.plain
        command = getattr(self, name, self.other(name))(user, port, tls == 'tls', maildir if deliver else None)
        env = os.environ | {'HOME': str(self.scratch), 'FETCHMAILHOME': str(self.scratch), 'XDG_STATE_HOME': str(self.scratch)}
        with open(os.devnull, 'w') as null:
            sample = w.run(command, stdout=null, env=env)
        octets = self.world.octets(user)
        if deliver:
            sample['delivered'] = len(os.listdir(maildir / 'new')) + len(os.listdir(maildir / 'cur'))
            if sample['delivered'] != sum(1 for _ in open(self.world.root / 'manifest' / user)):
                raise RuntimeError(f'{sample["delivered"]} messages came')
        return sample | {'mb_s': octets / sample['wall'] / 1e6, 'cpu_s_gb': sample['cpu'] * 1e9 / octets}

    def file(self, name, text):
        path = self.scratch / name
        path.touch(0o600)
        path.write_text(text)
        return path

    def ours(self, user, port, tls, maildir):
        to = ['--to', f'maildir:{maildir}', '--state', self.scratch / 'state'] if maildir else ['--to', '-']
        secured = [f'pops://{user}@localhost:{port}', '--ca', self.world.ca] if tls else \
            [f'pop://{user}@127.0.0.1:{port}', '--tls', 'none-insecure']
        big = ['--max-message-octets', '4294967296']
        return [self.world.programs / 'pop3', 'fetch', *secured, '--keep', '--quiet', *big, *to,
                '--password-file', self.file('password', 'secret\n')]

    def loadgen(self, user, port, tls, _):
        return [self.world.programs / 'pop3-bench', 'load', 'retr', '--addr', f'127.0.0.1:{port}', '--tls',
                'tls' if tls else 'plain', '--root', self.world.root, '--user', user, '--pipeline', '64']

    def curl(self, user, port, tls, _):
        count = sum(1 for _ in open(self.world.root / 'manifest' / user))
        scheme = 'pop3s://localhost' if tls else 'pop3://127.0.0.1'
        lines = [f'user = "{user}:secret"', f'cacert = "{self.world.ca}"']
        for number in range(1, count + 1):
            lines += [f'url = "{scheme}:{port}/{number}"', 'output = "/dev/null"']
        return ['curl', '-q', '-s', '-S', '--fail-early', '--noproxy', '*', '-K', self.file('curl', '\n'.join(lines))]

    def mpop(self, user, port, tls, maildir):
        secured = f'tls on\ntls_starttls off\ntls_trust_file {self.world.ca}' if tls else 'tls off'
        to = f'maildir {maildir}' if maildir else 'mbox /dev/null'
        return ['mpop', '-q', '-C', self.file('mpop', f'''account default
host localhost
port {port}
user {user}
password secret
auth user
keep on
only_new off
pipelining auto
received_header off
uidls_file {self.scratch}/uidls
delivery {to}
{secured}
''')]

    def fetchmail(self, user, port, tls, _):
        secured = f'ssl sslcertck sslcertfile "{self.world.ca}"' if tls else "sslproto ''"
        # Into a file: an agent for each message would cost more than it does.
        rc = self.file('fetchmailrc', f'''set no bouncemail
set no spambounce
set invisible
set idfile "{self.scratch}/ids"
set pidfile "{self.scratch}/pid"
poll localhost service {port} protocol POP3 auth password timeout 60:
username "{user}" password "secret" is root here fetchall keep no rewrite bsmtp "/dev/null" {secured}
''')
        return ['fetchmail', '-f', rc, '--nodetach', '--nosyslog', '--silent', '--nosoftbounce']

    def poplib(self, user, port, tls, _):
        script = self.file('retrieve.py', '''import poplib, ssl, sys
port, user, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3]
poplib._MAXLINE = 1 << 20
if ca:
    server = poplib.POP3_SSL("localhost", port, context=ssl.create_default_context(cafile=ca))
else:
    server = poplib.POP3("127.0.0.1", port)
server.user(user)
server.pass_("secret")
for number in range(1, server.stat()[0] + 1):
    server.retr(number)
server.quit()
''')
        return [sys.executable, script, port, user, self.world.ca if tls else '']

    def other(self, name):
        """A client that was named on the command line."""
        def command(user, port, tls, _):
            words = shlex.split(self.extra[name])
            return [word.format(host='localhost' if tls else '127.0.0.1', port=port, tls='tls' if tls else 'plain',
                                ca=self.world.ca, user=user) for word in words]
        return command

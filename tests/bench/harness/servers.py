"""The servers: ours, Dovecot as fast as it can be set, and one that answers from memory."""
import os
import pwd
import shutil
import socket
import subprocess
import time

from .world import say


class Server:
    """A running process with a port in clear text, on which STLS is offered, and one under TLS."""

    def __init__(self, name, process, ports):
        self.name, self.process, self.pid = name, process, process.pid
        self.plain, self.tls = ports

    def address(self, tls):
        return f'127.0.0.1:{self.tls if tls == "tls" else self.plain}'

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def listening(process):
    """The ports of `listening tls=… plain=…`."""
    line = process.stdout.readline()
    told = dict(word.split('=') for word in line.split()[1:])
    if not told:
        raise RuntimeError(f'it does not listen: {line}')
    return [int(told[name].rsplit(':')[-1]) for name in ('plain', 'tls')]


def start_ours(world, name='ours', program=None):
    users = world.root / 'users'
    names = sorted(path.name for path in (world.root / 'mail').iterdir())
    users.touch(0o600)
    users.write_text(''.join(f'{name}:{{PLAIN}}secret\n' for name in names))
    many = [f'--limit={name}=20000' for name in
            ('connections', 'connections-per-address', 'connections-per-address-before-login')]
    with open(world.root / f'pop3d-{name}.log', 'w') as log:
        process = subprocess.Popen(
            [program or world.programs / 'pop3d', '--listen-tls', '127.0.0.1:0', '--listen', '127.0.0.1:0',
             '--allow-cleartext-login', '--cert', world.root / 'tls/leaf.pem', '--key', world.root / 'tls/leaf.key',
             '--users', users, '--maildir', world.root / 'mail/{user}/Maildir', *many],
            stdout=subprocess.PIPE, stderr=log, text=True)
    return Server(name, process, listening(process))


def start_replay(world):
    process = subprocess.Popen([world.programs / 'pop3-bench', 'replay', world.root], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    return Server('replay', process, listening(process))


DOVECOT = '''base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
info_log_path = /dev/null
protocols = pop3
listen = 127.0.0.1
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:~/Maildir
first_valid_uid = 1
last_valid_uid = 0
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
ssl = yes
ssl_cert = <{root}/tls/leaf.pem
ssl_key = <{root}/tls/leaf.key
ssl_min_protocol = TLSv1.3
ssl_cipher_suites = TLS_AES_128_GCM_SHA256
protocol pop3 {{
  mail_max_userip_connections = 0
}}
default_client_limit = 20000
default_process_limit = 5000
default_vsz_limit = 0
# What its manual calls the high-performance mode: logins share a process for each core. And sessions reuse theirs.
service pop3-login {{
  inet_listener pop3 {{
    port = {plain}
  }}
  inet_listener pop3s {{
    port = {tls}
    ssl = yes
  }}
  service_count = 0
  client_limit = 10000
  process_min_avail = {cores}
  process_limit = {cores}
  vsz_limit = 0
}}
service pop3 {{
  service_count = 1000
  process_min_avail = 4
  process_limit = 5000
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{more}'''


def start_dovecot(world):
    program = shutil.which('dovecot', path=os.environ.get('PATH', '') + ':/usr/sbin:/usr/local/sbin')
    if not program:
        return None
    root = os.getuid() == 0
    more = ''
    if not root:
        user = pwd.getpwuid(os.getuid()).pw_name
        more = f'default_internal_user = {user}\ndefault_internal_group = {user}\ndefault_login_user = {user}\n'
        more += ''.join(f'service {name} {{\n  chroot =\n}}\n' for name in ('anvil', 'pop3-login'))
    directory = world.root / 'dovecot'
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    plain, tls = free_ports(2)
    config = directory / 'dovecot.conf'
    config.write_text(DOVECOT.format(
        dir=directory, root=world.root, uid=65534 if root else os.getuid(), gid=65534 if root else os.getgid(),
        plain=plain, tls=tls, cores=os.cpu_count(), more=more))
    with open(directory / 'console', 'w') as console:
        process = subprocess.Popen([program, '-F', '-c', config], stdout=console, stderr=console)
    for _ in range(200):
        try:
            with socket.create_connection(('127.0.0.1', plain), timeout=5) as probe:
                if probe.recv(100).startswith(b'+OK'):
                    return Server('dovecot', process, (plain, tls))
        except OSError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.terminate()
    logged = [path.read_text()[-300:] for path in (directory / 'console', directory / 'log') if path.exists()]
    raise RuntimeError(f'dovecot does not start: {logged}')


def free_ports(count):
    held = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


START = {'ours': start_ours, 'dovecot': start_dovecot, 'replay': start_replay}


class Servers:
    """All of them, started when they are asked for the first time."""

    def __init__(self, world, builds):
        self.world, self.running, self.missing = world, {}, set()
        # Programs of our server by the names of their columns.
        self.builds = builds

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.running.values():
            server.stop()

    def get(self, name):
        """The server of that name, or None where it is not installed."""
        if name not in self.running and name not in self.missing:
            if name in self.builds:
                server = start_ours(self.world, name, self.builds[name])
            else:
                server = START[name](self.world)
            if server:
                self.running[name] = server
            else:
                say(f'skipped: {name} is not installed')
                self.missing.add(name)
        return self.running.get(name)

    def restart(self, name):
        """As `get`, but with no memory of what was."""
        self.stop(name)
        return self.get(name)

    def stop(self, name):
        if name in self.running:
            self.running.pop(name).stop()

    def forget(self, user):
        """Removes what the servers have noted of a maildrop: the next login finds it as it was delivered."""
        for path in (self.world.root / 'mail' / user / 'Maildir').iterdir():
            if path.name.startswith(('dovecot', 'pop3-')) and path.is_file():
                path.unlink()

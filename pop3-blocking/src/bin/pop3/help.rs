//! What `--help` says beyond the options.

pub(crate) const LOGIN: &str = "Login";
pub(crate) const TLS: &str = "TLS";
pub(crate) const CONNECTION: &str = "Connection";
pub(crate) const SELECTION: &str = "Selection";
pub(crate) const OUTPUT: &str = "Output";
pub(crate) const CASES: &str = "Cases";

pub(crate) const ABOUT: &str = "\
Fetch mail with POP3, safely.

'pop3 fetch' brings new messages into a Maildir or an mbox, and can be run again
at any time: nothing is lost, nothing is fetched twice, nothing is deleted on the
server before it is safely here. The other commands look and change nothing.
'pop3 COMMAND --help' tells more about each.";

pub(crate) const LIMITS: &str = "\
Set a limit by its name, as in --limit reply=120; may be given more than once

Goes before --timeout; --max-message-octets goes before message. Octets:
  line                8192       greeting, first line of a reply, line of CAPA
  list-line           1024       line of LIST and UIDL, if line is not less
  sasl-line           12288      line of a login; 90112 unless set, with a token
  capability-octets   65536      all of CAPA
  message             268435456  a message
  command             255        a command that is sent
  header              262144     a header that --match or --since looks at
  outstanding-octets  4096       commands sent ahead of their replies
Numbers:
  capability-lines    200        lines of CAPA
  list-lines          1000000    lines of LIST and of UIDL
  scram-iterations    1000000    the most that a server may ask for
  retries             1          fetch: once more, without commands sent ahead,
                                 if the connection was lost behind such; or 0
Seconds:
  connect             20         for each address of the host
  handshake           20         TLS
  write               60         a write without progress
  greeting            60         for the greeting
  reply               60         for more of a reply
  login               300        for the reply to the login
  quit                300        for the reply to QUIT
  mda                 300        for the command of --to pipe:, each message
  reply-total         1800       one reply to its last octet; 0 for no limit";

macro_rules! exit_codes {
    () => {
        "\
Exit codes, and the kinds that --json tells:
  0   done
  64  usage          the command line is wrong
  68  host           no address for the host, no connection to it, or no way through
                     the proxy
  69  tls            the server does not offer TLS, or TLS failed
      greeting       the server refused the session with its greeting
      refused        the server refused a command, or one of the messages
  73  output         the target or the journal cannot be opened
  74  output         writing failed: disk full, or nobody reads; or the command of
                     pipe: did not take a message
  75  refused        as above, with [IN-USE], [LOGIN-DELAY] or [SYS/TEMP]; or QUIT
                     was refused: some deletions were not done
      login          the login was refused with one of these codes
      greeting       the greeting was a refusal with one of these codes
      timeout        the server did not answer in time
      connection     the connection was lost, or QUIT was not answered
      busy           another run uses the journal or the mbox
      output         the command of pipe: asks to try again, or took too long
      interrupted    a signal ended the run
                     (75 means in each case: try again later)
  76  protocol       the server broke the protocol
      truncated      the connection ended inside a message or a list
      too-large      a message or a reply was over its limit
  77  login          user name, password or token refused, login not allowed, or no
                     way to log in that is offered and allowed
      certificate    the server's certificate is not trusted, or ours is not
  78  configuration  a file, a certificate or a password cannot be used
"
    };
}

macro_rules! json {
    () => {
        "\
JSON:
  Each line of standard output is one object. An error is one line of standard
  error:
    {\"error\":{\"kind\":\"login\",\"command\":\"PASS\",\"code\":\"AUTH\",\"text\":\"[AUTH] no\"}}
  'command' and 'code' are null where there is none; 'code' is IN-USE,
  LOGIN-DELAY, AUTH, SYS/TEMP, SYS/PERM or UTF8. 'text' holds the server's words,
  untouched, if it said something. All output is ASCII. Octets of the server
  (unique-ids, texts, arguments, messages) become the characters U+0000 to U+00FF
  of the same number, so that none is lost; in Python, s.encode('latin-1') gives
  them back.
"
    };
}

macro_rules! accounts {
    () => {
        "\
File of accounts (TOML), ${XDG_CONFIG_HOME:-~/.config}/pop3/config.toml:
  jobs = 4                              # as --jobs
  [defaults]                            # for accounts that do not say otherwise
  delete = true
  [account.work]                        # pop3 fetch work, pop3 list work
  url = 'pops://alice@mail.example.org'
  password-command = 'pass show mail/work'
  to = 'maildir:~/Mail/work'
  [account.home]
  url = 'pops://example.net'
  user = 'bob@example.net'
  netrc = true
  to = 'mbox:~/Mail/home'
  The keys are the long options: url, user, password, password-file,
  password-command, token-file, token-command, netrc (true or a file), auth,
  min-strength, require-certificate-login, tls, ca, pin, client-cert, client-key,
  srv, dns, proxy, utf8, lang, timeout, no-pipelining, max-message-octets, limits
  (a table), keep, delete, to, state, match, no-match, since, max, max-octets,
  watch. The command line goes before the account, the account before the defaults; true
  cannot be taken back on the command line. A relative path begins where the file
  lies, ~/ is the home directory. A file with a password in it must not be
  readable by others (chmod 600).
  For a URL the file is not read, and nothing in it counts.
"
    };
}

macro_rules! password {
    () => {
        "\
Password:
  Taken from --password-file, --password-command, --netrc or the file of accounts;
  without any it is asked for on the terminal. It is never taken from the command
  line, the URL or the environment, which other programs can read. A token comes
  from --token-file or --token-command; with --require-certificate-login there is
  neither.
"
    };
}

pub(crate) const AFTER: &str = concat!(
    "\
Examples:
  pop3 fetch pops://alice@mail.example.org --to maildir:Mail
  pop3 fetch pops://alice@mail.example.org --delete --to maildir:Mail \\
       --password-file ~/.config/mail-password --quiet
  pop3 list pop://alice@mail.example.org --password-command 'pass show mail'
  pop3 fetch pops://alice@mail.example.org --to maildir:Mail \\
       --token-command 'oauth2-token mail'
  pop3 stat pops://alice@example.org --srv
  pop3 capa pops://mail.example.org --json

",
    password!(),
    "\n",
    json!(),
    "\n",
    exit_codes!(),
    "
An error for people has a second line where there is something to do about it. A
log goes to standard error if the environment variable POP3_LOG (or RUST_LOG)
says so, as in POP3_LOG=debug. It holds no passwords and no arguments.",
);

pub(crate) const FETCH_ABOUT: &str = "\
Fetch messages into a Maildir, an mbox, a command or standard output.

Each message is written, flushed to the disk and noted by its unique-id in the
journal; only then may it be marked for deletion. At the end QUIT asks the server
to delete what is marked, and its answer decides what is reported. A run that is
killed, or loses the connection or power, loses no message: the next one goes on
where it stopped, at the cost of at most one message fetched twice.

  --keep    leaves everything on the server (the default). The next run fetches
            what the journal does not know.
  --delete  deletes on the server what this run delivered, and what earlier runs
            delivered and the journal knows, without fetching that again.

Messages go as they were sent, with CRLF line ends, into
  maildir:DIR  a Maildir, created if it is not there
  mbox:FILE    an mbox (mboxrd: LF line ends, 'From ' lines quoted), locked with
               fcntl while a message is added; mboxrd:FILE is the same
  pipe:COMMAND a command for each message, such as a mail delivery agent: the
               message, with LF line ends, is the file that it has as standard
               input. Exit code 0 means that it keeps the message, which then
               counts as safely here. With 75 (try again), or after 300 seconds
               (--limit mda=N), the run stops; with any other the message stays
               on the server and the next is tried. It never gets a message that
               is cut. No shell is between: words are apart by blanks, quotation
               marks hold one together; for a shell: pipe:sh -c '...'
  -            standard output, one behind the other. Nobody can tell what became
               of them there: the journal is neither read nor written, and
               --delete is refused.";

pub(crate) const FETCH_AFTER: &str = concat!(
    "\
Journal:
  One file for one account; it does not tell targets apart. To fetch an account
  into two places, give each its own --state. The account is the URL without
  ;AUTH=; pop:// and pops:// are two accounts.

Selection:
  Only messages that would be fetched are looked at, before they are: by TOP, which
  the server must have. What is not wanted stays on the server, is not noted in the
  journal and never deleted; the next run looks at it again. A header over the limit
  (--limit header=N) is an error for its message alone.
  --dry-run sends TOP where the selection needs it, and neither RETR nor DELE; it
  changes neither journal nor target, and with --json shows \"status\":\"would-fetch\"
  or \"skipped\", and \"would_delete\".

Unique-ids:
  A unique-id that stands twice in the server's list tells nothing: such messages
  are always fetched, and never noted in the journal. With --delete they are
  deleted once this run has delivered them. A unique-id of more than 70 octets, or
  with octets outside 0x21-0x7E, is used to skip, but never as the only ground to
  delete: with --delete such a message is fetched again first. Messages that stand
  in only one of the server's two lists (LIST and UIDL) are left alone. From a
  server without UIDL everything is fetched, each time.

Examples:
  pop3 fetch pops://alice@mail.example.org --to maildir:Mail
  pop3 fetch pops://alice@mail.example.org --delete --to mbox:inbox
  pop3 fetch pops://alice@mail.example.org --to - > everything
  pop3 fetch pops://alice@mail.example.org --delete \\
       --to 'pipe:/usr/lib/dovecot/dovecot-lda -d alice'
  pop3 fetch pops://mail.example.org --require-certificate-login --to maildir:Mail \\
       --client-cert alice.pem --client-key alice.key
  pop3 fetch work
  pop3 fetch --all --jobs 8

",
    accounts!(),
    "
All accounts:
  With --all so many accounts as --jobs says run at once, each with its own bar.
  Accounts that go into the same mbox wait for one another. One that fails stops
  no other. The exit code is 0 if all were done; else the one that all failures
  share, or that of the first in the order of the names that is not 75. With --json
  each line begins with \"account\", and the last is
  {\"accounts\":3,\"done\":2,\"failed_accounts\":[\"work\"]}

",
    password!(),
    "
With --json: one object for each message, then one with the totals, on standard
output (on standard error with --to -):
  {\"number\":1,\"unique_id\":\"x1\",\"octets\":118,\"status\":\"delivered\",\"deleted\":true}
  {\"outcome\":\"committed\",\"messages\":1,\"delivered\":1,\"skipped\":0,\"failed\":0,
   \"deleted\":1,\"octets\":118}                                (in one line)
  status   delivered, skipped (here already, or left alone), failed
  reason   only for messages that stay unfetched: too-large, not-in-both-lists,
           refused, not-delivered, not-taken (by the command),
           filtered, over-max, header-too-large
  deleted  true only if the server confirmed it with QUIT; null if nobody knows
  outcome  committed  QUIT confirmed the deletions
           partial    QUIT was refused: some may not be done
           unknown    QUIT was not answered
           kept       nothing was to be deleted, or the run ended before QUIT
  octets   in the totals: of the messages delivered
After partial and unknown the next run deletes what is still there.

",
    json!(),
    "\n",
    exit_codes!(),
    "
The first Ctrl-C (or SIGTERM) ends a run in good order after the message that is
on its way, and at once where none was asked for yet; the second ends it at once.
All lose nothing. With --watch the first is how it ends: the exit code is 0.",
);

pub(crate) const LIST_AFTER: &str = concat!(
    "\
With --json: {\"number\":1,\"octets\":120,\"unique_id\":\"x1\"}; unique_id is null where the
server has none.

",
    password!(),
    "\n",
    json!(),
    "\n",
    exit_codes!(),
);

pub(crate) const CAPA_ABOUT: &str = "\
Show what the server announces.

Without a password, a token or a login by certificate alone this is what it
announces before login (under TLS, unless none-insecure is given). With one of
them it logs in first: some values differ then. Without, it also tells which way a
login would take with the options that are given.";

pub(crate) const CAPA_AFTER: &str = concat!(
    "\
With --json: {\"capability\":\"SASL\",\"arguments\":[\"PLAIN\"]} for each capability, and
before login {\"login\":\"PLAIN\",\"verdict\":\"usable\"} for each way to log in, the strongest
first. A login takes the first that is usable.

",
    json!(),
    "\n",
    exit_codes!(),
);

pub(crate) const STAT_AFTER: &str = concat!(
    "\
With --json: {\"messages\":2,\"octets\":320}; octets is null if the server did not tell.

",
    password!(),
    "\n",
    json!(),
    "\n",
    exit_codes!(),
);

pub(crate) const TOP_ABOUT: &str = "\
Show the header and the first LINES lines of the body of message N.

The octets go to standard output as the server sent them. If standard output is a
terminal, line ends become its own and control characters are escaped.";

pub(crate) const TOP_AFTER: &str = concat!(
    "\
With --json: {\"number\":1,\"lines\":0,\"octets\":97,\"text\":\"...\"}

",
    password!(),
    "\n",
    json!(),
    "\n",
    exit_codes!(),
);

pub(crate) const PROBE_ABOUT: &str = "\
Look at how a server behaves, case by case.

Works against any POP3 server. Each case is one behaviour that can be seen from
outside: a rule of the RFCs, or a bug that some server had. Without --destructive
no message is removed or marked; without a user in the URL only what comes before
the login is looked at.";

pub(crate) const PROBE_AFTER: &str = concat!(
    "\
Verdicts:
  pass   the server does what the case says
  fail   it does not, and a MUST of an RFC is broken
  warn   it does not: a SHOULD, or what has caused trouble between real programs
  skip   not tried here, with the reason
  error  no verdict: no connection or no login, or the server broke off before
         the point. Five in a row end the run.
  With fail and warn go what was sent, what was expected and what was seen, cut to
  400 octets. Passwords are never shown. --list tells the level of each case: must,
  should, or note, where servers may differ and only the difference is told.

Manners:
  One connection at a time, apart from the case that looks at a second session;
  about 130 in all, and about 60 logins. The time that the server asks for between
  logins (LOGIN-DELAY) is kept. At most 5 logins fail on purpose: three with the
  right user name and a wrong password, two with a made-up name; and up to 12 AUTH
  exchanges are malformed or made up. With --no-bad-logins there are none of these,
  for servers that lock accounts or addresses.
  RSET is sent before QUIT, and without an answer to it no QUIT. Waits: 20 seconds
  for a reply and 60 for a login, unless --timeout says otherwise; a run ends
  after an hour.

Maildrop:
  A case that finds nothing to look at is skipped. Good for all: three messages or
  more, one of them with lines that begin with a dot, one with 8-bit characters in
  its header, one that the server stores without a line end at its end.
  --destructive removes one message, the last.

Examples:
  pop3 probe pops://alice@mail.example.org --password-file secret
  pop3 probe pop://alice@mail.example.org --only stls tls --no-bad-logins
  pop3 probe pops://test@localhost:1995 --ca ca.pem --destructive --json
  pop3 probe pops://x --list

With --json: one object for each case, and one with the totals:
  {\"case\":\"list-one\",\"level\":\"must\",\"rows\":[\"R1939-5.3\",\"PB-S44\"],\"title\":\"...\",
   \"verdict\":\"fail\",\"note\":null,\"sent\":\"LIST 1\\r\\n\",\"expected\":\"+OK 1 120\",
   \"seen\":\"+OK 120\\r\\n\",\"event\":\"\"}                                (in one line)
  {\"pass\":80,\"fail\":1,\"warn\":2,\"skip\":20,\"error\":0,\"connections\":61,
   \"logins\":12,\"failed_logins\":3}                                (in one line)
  note      what is worth telling of a pass; why, for skip and error
  event     what happened besides octets, as the end of the connection
  sent, expected, seen and event are null unless the verdict is fail or warn.

",
    password!(),
    "\n",
    json!(),
    "
Exit codes of probe: 0 no case failed and each has a verdict (warnings and skipped
cases count as well); 1 a case failed (kind nonconformance); 75 none failed and some
have no verdict. If the first connection or login fails, as below.

",
    exit_codes!(),
);

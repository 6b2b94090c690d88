//! Where a campaign begins: recorded replies and whole sessions, in the form that each target reads.

/// What clients of a whole session send; the credentials are those that the model knows.
const SESSIONS: [&[u8]; 11] = [
    b"CAPA\r\nUSER alice\r\nPASS wonderland\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 2\r\nRSET\r\nDELE 1\r\nNOOP\r\nQUIT\r\n",
    b"AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\nLIST 1\r\nUIDL 2\r\nRETR 3\r\nQUIT\r\nNOOP\r\n",
    b"AUTH\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\nAGFsaWNlAHdvbmRlcmxhbmQ=\r\nDELE 1\r\nDELE 1\r\nDELE 9\r\nQUIT\r\n",
    b"AUTH EXTERNAL =\r\nUSER alice\r\nCAPA\r\nPASS x\r\nXYZZ\r\nUSER alice\r\nPASS wonderland\r\nQUIT\r\n",
    b"UTF8\r\nLANG\r\nLANG sv\r\nLANG *\r\nLANG xx\r\nCAPA\r\nUSER alice\r\nPASS x\r\nUSER alice\r\nPASS wonderland\r\nUSER alice\r\nPASS wonderland\r\nUSER alice\r\nPASS wonderland\r\nUTF8\r\nRETR 3\r\nLIST 3\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n",
    b"APOP alice 2fbbc6a5a6cc9b4c5a5c5a5c5a5c5a5c\r\nAPOP b\r\nAUTH LOGIN\r\nYWxpY2U=\r\nd29uZGVybGFuZA==\r\nLIST\r\nUIDL\r\nTOP 1 0\r\nNOOP\r\nLAST\r\n",
    b"AUTH CRAM-MD5\r\nYWxpY2UgMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=\r\nAUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE=\r\nAQ==\r\nAUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPUJlYXJlciB3b25kZXJsYW5kAQE=\r\nSTAT\r\nRETR 1\r\nQUIT\r\n",
    b"AUTH PLAIN\r\n!\r\nAUTH PLAIN =\r\nAUTH OAUTHBEARER bixhPWFsaWNlLAFhdXRoPUJlYXJlciB4AQE=\r\n*\r\n",
    b"USER a\nPASS b\n\0\r\nNOOP \r\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\r\nQUIT\r\n",
    b"STLS\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
];

/// The beginnings for `target`; `transcripts` are replies of real servers.
pub fn seeds(target: &str, transcripts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let with = |head: &[u8], octets: &[u8]| [head, octets].concat();
    let lines = || transcripts.iter().flat_map(|text| text.split(|&octet| octet == b'\n'));
    let bare = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    match target {
        "capability_line" | "list_line" | "status_line" => lines().map(bare).collect(),
        "command_line" => {
            SESSIONS.iter().flat_map(|text| text.split(|&octet| octet == b'\n')).map(bare).collect()
        }
        "base64" => [&b"AGFsaWNlAHdvbmRlcmxhbmQ="[..], b"=", b"QQ==", b"QUI="].map(<[u8]>::to_vec).into(),
        "url" => [
            &b"pops://alice;AUTH=PLAIN@[::1]:995"[..],
            b"pop://a%40b;AUTH=*@pop.example.net",
            b"pop://a;AUTH=+APOP@h:110",
            b"pop.example.net\na@b c\nPLAIN",
            b"::1\na;b\n+",
            b"pop://a:b@h",
            b"pop://@h",
            b"pop://%zz@h",
            b"pop://%ff@h",
            b"pop://%e2%82%ac%f0%9f%98%80%c3%a4@h",
            b"pop://%07@h",
            b"pop://a;X=1@h",
            b"pop://a@h_/",
            b"pop://a@h:0",
            b"pop://a@h:x",
            b"imap://a@h",
            b"127.0.0.1\n\n",
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "body_decode" => transcripts.iter().map(|text| with(&[0], text)).collect(),
        "body_round_trip" => transcripts.iter().map(|text| with(&[1, 9, 2, 3, 8], text)).collect(),
        "top" => transcripts.iter().map(|text| with(&[2, 2, 3, 8], text)).collect(),
        "client_stream" => {
            // From the greeting on, and as replies to commands of every shape.
            let heads: [&[u8]; 3] = [&[8, 0, 2, 3, 9], &[0, 6, 0, 1, 2, 5, 7, 8, 1, 6], &[3, 2, 5, 5, 0]];
            let mut all: Vec<_> =
                transcripts.iter().flat_map(|text| heads.map(|head| with(head, text))).collect();
            // In AUTHORIZATION: what to say, how to cut, what is heard.
            let capabilities = b"+OK <1.2@h>\r\n+OK\r\nPIPELINING\r\nRESP-CODES\r\nSTLS\r\nUTF8 USER\r\nLANG\r\nSASL PLAIN\r\n.\r\n";
            let talks: [(&[u8], &[u8]); 9] = [
                (&[0, 12, 1, 0, 14], b"+ \r\n+ abc\r\n+ !\r\n-ERR [AUTH] no\r\n+OK\r\n"),
                (&[0, 11, 1], b"+ \r\n+OK logged in\r\n"),
                (&[0, 10, 1, 15], b"+ \r\n+OK\r\n+OK 2 320\r\n"),
                (&[0, 7, 5, 6, 8, 2, 3], b"+OK\r\n+OK\r\nsv Svenska\r\nx\r\n.\r\n+OK sv\r\n+OK\r\nPLAIN\r\n\r\n.\r\n+OK\r\n+OK\r\n"),
                (&[0, 13, 3, 31, 47], b"+OK\r\n+OK\r\n+OK\r\n1 2\r\n.\r\n"),
                (&[0, 4], b"-ERR [LOGIN-DELAY] x\r\n"),
                (&[0, 9], b"+OK\r\n"),
                (&[0, 9], b"+OK\r\n+OK\r\n"),
                (&[0, 14], b"+OK\r\n-ERR closing\r\n+OK\r\n"),
            ];
            for mode in [16, 16 + 8, 16 + 8 + 64, 16 + 32 + 128] {
                all.extend(talks.iter().map(|(choices, wire)| {
                    let count = u8::try_from(choices.len()).unwrap_or(0);
                    [&[mode, count][..], choices, &[0], capabilities, wire].concat()
                }));
            }
            all
        }
        "server_stream" => {
            let modes = [&[0, 2, 3, 9][..], &[2, 0], &[8, 0], &[8 + 16, 0], &[8 + 32 + 128, 1, 7], &[4 + 64, 0], &[1, 0], &[128, 0]];
            SESSIONS.iter().flat_map(|text| modes.map(|mode| with(mode, text))).collect()
        }
        "server_core" => {
            let plans: [&[u8]; 4] = [&[0, 0], &[8 + 16, 9, 0, 2, b'.', b'a', 0, 1, b'b', 0, 0], &[4, 6, 2, 1, b'x', 4, 0, 0], &[1 + 2, 0]];
            let mut all: Vec<_> =
                SESSIONS.iter().flat_map(|text| plans.map(|plan| with(plan, text))).collect();
            all.push(vec![32]);
            all
        }
        "stls_gate" => {
            let before = |text: &[u8]| with(&[u8::try_from(text.len()).unwrap_or(u8::MAX)], text);
            let capabilities = b"+OK\r\nSTLS\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n";
            let mut all: Vec<_> =
                SESSIONS.iter().map(|text| with(&before(b"USER alice\r\n"), text)).collect();
            all.extend(transcripts.iter().map(|text| with(&before(capabilities), text)));
            all
        }
        "scram_pair" => (0..60u8).map(|n| vec![n % 3, n % 4, n % 5, n.wrapping_mul(7), n % 2]).collect(),
        "sasl_server" => {
            let messages: [&[u8]; 7] = [
                b"\x00user\x00pencil",
                b"user\x00user\x00pencil",
                b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                b"n,a=user,\x01host=h\x01port=995\x01auth=Bearer pencil\x01\x01",
                b"user=user\x01auth=Bearer pencil\x01\x01",
                b"user",
                b"",
            ];
            let with = |number: u8, message: &[u8]| {
                [&[number, 0, u8::try_from(message.len()).unwrap_or(0)][..], message, b"\x04user\x06pencil"].concat()
            };
            let mut all: Vec<Vec<u8>> =
                (0..14).flat_map(|number| messages.map(|message| with(number, message))).collect();
            // Right messages, with and without an initial response; and one of them not quite.
            all.extend((0..14).flat_map(|number| [0, 1].map(|alone| vec![number, alone, 0x80, 0x80, 0x80, 0x80])));
            all.extend((0..14).flat_map(|number| {
                [[0x81, 7, 1], [0x82, 3, 1], [0x82, 40, 1]].map(|change| with_change(number, change))
            }));
            all
        }
        "sasl_client" => {
            let server_first = b"r=cmFuZG9tIG9mIGEgY2xpZW50abc,s=MDEyMw==,i=1";
            let with = |number: u8| [&[number, 0, 44][..], server_first, b"\x04v=ab\x09Username:\x09Password:"].concat();
            let mut all: Vec<Vec<u8>> = (0..10).map(with).collect();
            all.extend((0..10).flat_map(|number| [0, 1].map(|alone| vec![number, alone, 0x80, 0x80, 0x80, 0x80])));
            all.extend((0..10).flat_map(|number| {
                [&[0, 0x80, 0x80][..], &[1, 0x80, 0x80, 0x80], &[0, 0x80, 0x81, 5, 1], &[0, 0x82, 5, 1, 0x80]]
                    .map(|plan| [&[number], plan].concat())
            }));
            all.extend([&b"e=invalid-proof"[..], b"m=x,r=a", b"v=AAAA", b"r=,s=,i=0"].map(|text| {
                with_piece(&[7, 0, 0x80], text)
            }));
            all
        }
        "srv_order" => {
            let mut all: Vec<Vec<u8>> = (0..20u8).map(|n| (0..40).map(|m: u8| m.wrapping_mul(n)).collect()).collect();
            all.extend([&b"alice@example.org."[..], b"@", b"a@b@xn--e1afmkfd", b"b@ex_am..ple", "\u{e4}@\u{e4}".as_bytes()].map(<[u8]>::to_vec));
            all
        }
        "surrogate" => [
            "From: J\u{f8}rgen <j\u{f8}rgen@ex\u{e4}mple.net>\r\nTo: alice@example.net\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nHallo.\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \u{fc}\r\n\r\n\u{fc}\r\n--b\r\n\r\n--b--\r\n\u{fc}",
            "Content-Type: text/plain; charset=utf-8;\n name=\"\u{fc}.txt\"; x=y\nTo: a: b@\u{e4}, \"c\u{e4}\" <d@e>;\n\n\u{e4}",
        ]
        .map(|text| with(&[9, 2, 3, 8], text.as_bytes()))
        .into(),
        "users_file" => [
            &b"# users\nmrose:@0\r\nfred@example.org:@1:1000:1000::/home/fred\nkim:@2"[..],
            b"alice:{EXTERNAL}\nscanner:{SECRET}a secret\nsam:{PLAIN}pencil::::::require_tls",
            b"a:@4\na:@5\nb:@3",
            b"a:{PLAIN}x\na:{PLAIN}y",
            b"a:{SCRAM-SHA-512}4096,QUJD,x,y\nb:$6$x\nc:$argon2id$v=19$m=9999999,t=1,p=1$c2FsdHNhbHQ$XsgZusUNOHkLuLAMdSVzDw",
            "k\u{e4}the:{CLEARTEXT}gr\u{fc}n\nI\u{ad}X:@0".as_bytes(),
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "saslprep" => [
            "I\u{ad}X", "\u{aa}\u{2168}", "\u{627}1\u{628}", "\u{627}a", "\u{221}a\u{308}", "\u{1100}\u{1161}\u{11a8}", "\u{a0}\u{200b} \u{7}",
            "\u{5d0}\u{5b0}\u{fb1d}", "\u{e0001}", "\u{1d15e}\u{2f800}", "\u{ad}", "user",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "apop" => [
            &b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>"[..],
            b"\x08tanstaaf0123456789abcdefgh\x07pop.example.net",
            b"<a> <a@[127.0.0.1]> <b@c>",
            b"<@><a@><a..b@c><a@b",
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "maildir_name" => [
            &b"1700000000.M5P99Q2.host:2,S\n1700000000.M5P99Q10.host"[..],
            b"1700000000.12345_2.host\n1700000000.12345_10.host,U=7,FMD5=7e33429f656f1e6e9d79b29c3f82c57e",
            b"999999999.1.h\n17000000x0.1.h",
            b"alice\n{user}/Maildir",
            b"../x\n/var/mail/{user}/{user}",
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "maildir_cache" => {
            let head = |messages: u8, names: u8| {
                let numbers = [0xdead_beef, 9, 1, u32::from(messages), u32::from(names)];
                numbers.iter().flat_map(|number: &u32| number.to_le_bytes()).collect::<Vec<u8>>()
            };
            let message = |uid: u8, flags: u8, name: &[u8], rest: &[u8]| {
                let times = [&[uid, 0, 0, 0][..], &[uid; 24], &[flags, u8::try_from(name.len()).unwrap_or(0)]].concat();
                [&times[..], name, rest].concat()
            };
            let one = message(1, 3, b"1.M2P3.host,S=9:2,S", b"");
            let other = message(7, 12, b"2.M2P3.host", b"\x09\0\0\0\0\0\0\0\x04UID1");
            let away = message(2, 0, b"../../eve/new/1", b"");
            vec![
                head(0, 0),
                [head(1, 19), one.clone()].concat(),
                [head(2, 30), one.clone(), other.clone()].concat(),
                [head(2, 22), other.clone(), other].concat(),
                [head(2, 34), one, away].concat(),
            ]
        }
        "previous_ids" => {
            let dovecot = b"3 V1795562419 N5 G600e7a18b31b066b0054000083ecc375\n1 W11 :1000000001.M1P2.host\n2 W12 P1 Gx :1000000002.M3P4.host,S=9:2,S\n3 :a b\n";
            let old = b"1 1795562419 5\n1 1000000001.M1P2.host:2,S\n";
            let courier = b"/3 5 1795562400\n1000000001.M1P2.host:2,S 11 1:1795562400:0\n1000000003.M5P6.host 8 3:0:1\n1000000004.it's+1.h:2, 8 0:0\n";
            let mut all = vec![with(&[0], old), with(&[1], courier)];
            all.extend([0, 2, 4, 6].map(|kind| with(&[kind], dovecot)));
            all
        }
        "uid_list" => {
            let lists: [&[u8]; 4] = [
                b"pop3-uidlist 1 deadbeef 00000012 00000007\n00000001 1234 1200 1700000000123456789 1.M2P3.host,S=1200\n00000011 - 0 -1 two words\nend 2\n",
                b"pop3-uidlist 2 deadbeef 00000012 00000007\n00000001 1234 = 1200 5 a\n00000002 1 9 1 5 b\n00000003 1 - 1 5 c\nend 3\n",
                b"pop3-uidlist 3 deadbeef 00000012 00000007\n00000001 1234 = UID1-7 1200 5 a\n00000002 1 9 - 1 5 b\nend 2\n",
                b"pop3-uidlist 4 anything\n",
            ];
            let mut all: Vec<_> = lists.iter().flat_map(|text| [with(&[0], text), with(&[1], text)]).collect();
            let plan: Vec<u8> = (0..90).map(|n: u8| n.wrapping_mul(37)).collect();
            all.extend([[2, 0, 60, 1], [2, 0, 90, 0], [2, 0, 3, 9]].map(|head| with(&head, &plan)));
            all.extend((0..80u8).map(|n| with(&[2, 0, n.wrapping_mul(3), 1 + n % 3], &plan)));
            all
        }
        "maildir" => {
            let files = b"\x03\x00\x0d1.M2P3.host:2S\x01\x0c1700000000.a\x01\x0d1700000000.a:";
            let sealed = b"pop3-uidlist 1 deadbeef 00000012 00000007\n00000001 1234 1200 17 1700000000.a\nend 1\n";
            let mut all = vec![with(files, &[0, 0, 0, 70, 1]), with(files, &[0, 0, 0, 99, 0]), with(files, &[1, 3, b'x', b'\n', b'y', 0, 9, 9])];
            all.push([&files[..], &[2, u8::try_from(sealed.len()).unwrap_or(0)], sealed].concat());
            all
        }
        "journal" => {
            let lines = b"+ 1700000000 QhdPYR:00WBw1Ph7x7\n? 5 a%20b\n- 6 QhdPYR:00WBw1Ph7x7\n+ 7 z\n";
            let acts = b"\x06\x00\x03abc\x04\x03abc\x05\x01z\x07\x00\x01\x02\x00\xff\x06\x00\x00\x50\x01";
            let file = |kind: u8, text: &[u8]| [&[kind, u8::try_from(text.len()).unwrap_or(0)][..], text, acts].concat();
            let torn = [&[6, 11][..], b"+ 1 a\n+ 2 b", &[3, 0, 3], b"abc", &[7, 0, 0, 1, b'x', 0, 70, 1]].concat();
            vec![torn, file(2, lines), file(1, lines), file(6, b"+ 1 a\n+ 2 b"), file(5, b""), file(4, b"pop3-journal 2 x\n"), file(8, b"pop3-jour")]
        }
        "dns_packet" => {
            let answer = b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x06_pop3s\x04_tcp\x07example\x03org\x00\x00\x21\x00\x01\
                \xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\x00\x0a\x00\x01\x00\x02\x03\xe3\x01h\xc0\x0c";
            let mut all = vec![with(&[0], answer), with(&[1, 1], &answer[41..])];
            all.extend((0..6u8).map(|n| vec![2, n.wrapping_mul(50), n / 3, n, 2, 1, 1, 0x13, 9, 9, 0x20, 1, 1, 0x31, 0, 0]));
            all
        }
        "proxy" => {
            let addresses = b"\x7f\0\0\x01\x7f\0\0\x01\xe0\x98\x99i";
            let mut all: Vec<Vec<u8>> = [
                &b"TCP4 192.168.0.1 192.168.0.11 56324 443\r\nCAPA\r\n"[..],
                b"TCP6 2001:db8::7 ::ffff:192.0.2.1 0 65535\r\n",
                b"UNKNOWN\r\n",
                b"UNKNOWN ffff:f...f:ffff\r \n\r\n",
            ]
            .map(|text| with(&[2, 4], text))
            .into();
            all.extend([
                [&[1, 5, 0x21, 0x11, 0, 0x1f][..], addresses, b"\x03\0\x04\x02SYq\x05\0\t29078-abc"].concat(),
                [&[1, 39, 0x21, 0x11, 0, 12][..], addresses, b"\x16\x03\x01"].concat(),
                [&[1, 0, 0x21, 0x21, 0, 36][..], &[7; 36]].concat(),
                [&[1, 0, 0x21, 0x31, 0, 216][..], &[b'/'; 216]].concat(),
                [&[1, 0, 0x21, 0x12, 0, 12][..], addresses].concat(),
                vec![1, 0, 0x20, 0, 0, 0],
                b"\x01\0 \0\0\x07\x03\0\x04\xa9\xb8~\x8f".to_vec(),
            ]);
            all.extend((0..8u8).flat_map(|shape| {
                [[0, 0], [13, 1], [29, 0x80]].map(|[at, change]| {
                    [&[3, shape, at, change, shape, 192, 7, 10, 1, 0xc3, 0x50, 2][..], b"\x05\x03abc\x00\x00"].concat()
                })
            }));
            all
        }
        "certificate_names" => {
            let names = b"\x04\x00\x11Alice@Example.NET\x01\x0ePC.example.net\x02\x05Alice\x03\x0fOld@Example.NET";
            let mut all: Vec<Vec<u8>> =
                (0..12u8).map(|n| [&[1, n.wrapping_mul(21), n, n / 4 * 0x11][..], names].concat()).collect();
            // Lengths of one, two and three octets.
            all.extend((0..40u8).map(|n| [&[1, 0, 0, 0, 1, 1, 100 + n][..], &b"a".repeat(100 + usize::from(n))].concat()));
            all
        }
        "language" => [
            &b"\x00\x00\x00de-AT"[..],
            b"\x00\x00\x01*",
            b"\x02\x05de-AT\x07Deutsch\x07[Servus\x02fr\x00\x02ja\x01\x00de",
            b"\x01\x04zh-x\x00\x00\x01\x00zh-x-y",
            b"\x01\x09i-default\x00\x03\xc3\xbcx\x00\x00zh-Hant-CN-x-private1",
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "pair" => SESSIONS.iter().map(|text| text.to_vec()).collect(),
        _ => Vec::new(),
    }
}

/// A plan, then a piece of it.
fn with_piece(head: &[u8], piece: &[u8]) -> Vec<u8> {
    [head, &[u8::try_from(piece.len()).unwrap_or(0)], piece].concat()
}

/// A right message, one that is changed, and a right one.
fn with_change(number: u8, change: [u8; 3]) -> Vec<u8> {
    [&[number, 0, 0x80][..], &change, &[0x80]].concat()
}

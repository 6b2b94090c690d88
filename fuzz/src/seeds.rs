//! Where a campaign begins: recorded replies and whole sessions, in the form that each target reads.

/// What clients of a whole session send; the credentials are those that the model knows.
const SESSIONS: [&[u8]; 6] = [
    b"CAPA\r\nUSER alice\r\nPASS wonderland\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 2\r\nRSET\r\nDELE 1\r\nNOOP\r\nQUIT\r\n",
    b"AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\nLIST 1\r\nUIDL 2\r\nRETR 3\r\nQUIT\r\nNOOP\r\n",
    b"AUTH\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\nAGFsaWNlAHdvbmRlcmxhbmQ=\r\nDELE 1\r\nDELE 1\r\nDELE 9\r\nQUIT\r\n",
    b"AUTH EXTERNAL =\r\nUSER alice\r\nCAPA\r\nPASS x\r\nXYZZ\r\nUSER alice\r\nPASS wonderland\r\nQUIT\r\n",
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
        ]
        .map(<[u8]>::to_vec)
        .into(),
        "body_decode" => transcripts.iter().map(|text| with(&[0], text)).collect(),
        "body_round_trip" => transcripts.iter().map(|text| with(&[1, 9, 2, 3, 8], text)).collect(),
        "top" => transcripts.iter().map(|text| with(&[2, 2, 3, 8], text)).collect(),
        "client_stream" => {
            // From the greeting on, and as replies to commands of every shape.
            let heads: [&[u8]; 3] = [&[8, 0, 2, 3, 9], &[0, 6, 0, 1, 2, 5, 7, 8, 1, 6], &[3, 2, 5, 5, 0]];
            transcripts.iter().flat_map(|text| heads.map(|head| with(head, text))).collect()
        }
        "server_stream" => {
            SESSIONS.iter().flat_map(|text| [with(&[0, 2, 3, 9], text), with(&[2, 0], text)]).collect()
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
            let messages: [&[u8]; 6] = [
                b"\x00user\x00pencil",
                b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                b"n,a=user,\x01host=h\x01port=995\x01auth=Bearer pencil\x01\x01",
                b"user=user\x01auth=Bearer pencil\x01\x01",
                b"user",
                b"",
            ];
            let with = |number: u8, message: &[u8]| {
                [&[number, 0, u8::try_from(message.len()).unwrap_or(0)][..], message, b"\x04user\x06pencil"].concat()
            };
            (0..14).flat_map(|number| messages.map(|message| with(number, message))).collect()
        }
        "sasl_client" => {
            let server_first = b"r=cmFuZG9tIG9mIGEgY2xpZW50abc,s=MDEyMw==,i=1";
            let with = |number: u8| [&[number, 0, 44][..], server_first, b"\x04v=ab\x09Username:\x09Password:"].concat();
            (0..10).map(with).collect()
        }
        "srv_order" => (0..20u8).map(|n| (0..40).map(|m: u8| m.wrapping_mul(n)).collect()).collect(),
        "surrogate" => [
            "From: J\u{f8}rgen <j\u{f8}rgen@ex\u{e4}mple.net>\r\nTo: alice@example.net\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nHallo.\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \u{fc}\r\n\r\n\u{fc}\r\n--b\r\n\r\n--b--\r\n\u{fc}",
            "Content-Type: text/plain; charset=utf-8;\n name=\"\u{fc}.txt\"; x=y\nTo: a: b@\u{e4}, \"c\u{e4}\" <d@e>;\n\n\u{e4}",
        ]
        .map(|text| with(&[9, 2, 3, 8], text.as_bytes()))
        .into(),
        "pair" => SESSIONS.iter().map(|text| text.to_vec()).collect(),
        _ => Vec::new(),
    }
}

//! A DNS server that says what a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use simple_dns::rdata::{CNAME, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

/// A question that came in.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) over_tcp: bool,
    /// The message as it came.
    pub(super) message: Vec<u8>,
}

/// What the server does with a question. Over TCP it then waits for the client to close.
pub(super) enum Say {
    /// Sends a message.
    Message(Vec<u8>),
    /// Sends it from another port.
    FromElsewhere(Vec<u8>),
    /// Sends octets as they are, over TCP without a length before them.
    Raw(Vec<u8>),
    /// Over TCP, sends an octet now and then, for as long as the client listens.
    Drip(u8),
}

type Script = dyn Fn(&Asked) -> Vec<Say> + Send + Sync;

/// A server on UDP and TCP. It ends with the value.
pub(super) struct Dns {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Dns {
    pub(super) fn new(script: impl Fn(&Asked) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let script: Arc<Script> = Arc::new(script);
        let threads = vec![
            {
                let (script, asked, stop) = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&stop));
                std::thread::spawn(move || serve_udp(&udp, &*script, &asked, &stop))
            },
            {
                let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
                std::thread::spawn(move || serve_tcp(&tcp, &*script, &asked, &stop))
            },
        ];
        Self { address, asked, stop, threads }
    }

    /// Answers with these records of `_pop3s` and `_pop3`: priority, weight, port, target.
    pub(super) fn with(pop3s: Vec<Record>, pop3: Vec<Record>) -> Self {
        Self::new(move |asked| {
            let records = if asked.name.starts_with("_pop3s.") { &pop3s } else { &pop3 };
            vec![Say::Message(asked.reply(records))]
        })
    }

    /// How many questions came in.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address)));
        drop(TcpStream::connect(self.address));
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Priority, weight, port, target.
pub(super) type Record = (u16, u16, u16, &'static str);

impl Asked {
    fn new(message: &[u8], over_tcp: bool) -> Self {
        let name = Packet::parse(message).unwrap().questions[0].qname.to_string();
        Self { name, over_tcp, message: message.to_vec() }
    }

    /// The question as a reply, to be changed.
    pub(super) fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.message).unwrap().into_reply()
    }

    /// A reply with these records of the name that was asked for.
    pub(super) fn reply(&self, records: &[Record]) -> Vec<u8> {
        let mut packet = self.packet();
        packet.answers.extend(records.iter().map(|record| srv(&self.name, *record)));
        packet.build_bytes_vec().unwrap()
    }

    pub(super) fn refusal(&self, code: RCODE) -> Vec<u8> {
        let mut packet = self.packet();
        *packet.rcode_mut() = code;
        packet.build_bytes_vec().unwrap()
    }

    pub(super) fn truncated(&self) -> Vec<u8> {
        let mut packet = self.packet();
        packet.set_flags(PacketFlag::TRUNCATION);
        packet.build_bytes_vec().unwrap()
    }
}

pub(super) fn srv(owner: &str, (priority, weight, port, target): Record) -> ResourceRecord<'static> {
    let target = Name::new(target).unwrap();
    let data = RData::SRV(SRV { priority, weight, port, target });
    ResourceRecord::new(Name::new(owner).unwrap().into_owned(), CLASS::IN, 60, data)
}

pub(super) fn cname(owner: &str, target: &str) -> ResourceRecord<'static> {
    let data = RData::CNAME(CNAME(Name::new(target).unwrap().into_owned()));
    ResourceRecord::new(Name::new(owner).unwrap().into_owned(), CLASS::IN, 60, data)
}

/// Both on one port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

fn serve_udp(socket: &UdpSocket, script: &Script, asked: &AtomicUsize, stop: &AtomicBool) {
    let mut room = [0; 1024];
    while let Ok((octets, client)) = socket.recv_from(&mut room) {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        for say in script(&Asked::new(&room[..octets], false)) {
            match say {
                Say::Message(message) | Say::Raw(message) => {
                    drop(socket.send_to(&message, client));
                }
                Say::FromElsewhere(message) => {
                    drop(UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&message, client));
                }
                Say::Drip(_) => panic!("UDP cannot drip"),
            }
        }
    }
}

fn serve_tcp(listener: &TcpListener, script: &Script, asked: &AtomicUsize, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        // A client that goes away is the test's own business.
        drop(serve_stream(stream.unwrap(), script, asked));
    }
}

fn serve_stream(mut stream: TcpStream, script: &Script, asked: &AtomicUsize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    asked.fetch_add(1, Ordering::SeqCst);
    for say in script(&Asked::new(&message, true)) {
        match say {
            Say::Message(message) => {
                let length = u16::try_from(message.len()).unwrap();
                stream.write_all(&[&length.to_be_bytes(), &message[..]].concat())?;
            }
            Say::Raw(octets) => stream.write_all(&octets)?,
            Say::Drip(octet) => {
                stream.set_read_timeout(Some(Duration::from_millis(20)))?;
                loop {
                    stream.write_all(&[octet])?;
                    if matches!(stream.read(&mut [0]), Ok(0)) {
                        return Ok(());
                    }
                }
            }
            Say::FromElsewhere(_) => panic!("TCP has one peer"),
        }
    }
    // Whatever the client does with it, it closes.
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}

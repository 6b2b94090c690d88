//! A wire to the database that can be cut at the one point where it hurts: around `COMMIT`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use pop3_scale_out::Database;

use crate::postgres::Mail;

/// What becomes of the next `COMMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The wire is cut before it.
    Before,
    /// The database gets it, and the wire is cut before its answer arrives.
    After,
    /// It is kept back, and so is the database's answer to anything else, until the other side goes away.
    Held,
}

/// A relay to the socket of a database.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
    /// A word for each `COMMIT` that a cut was applied to.
    cuts: Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    cut: Mutex<Option<Cut>>,
    /// Whether a cut is followed by others of everything.
    then_down: Mutex<bool>,
    down: Mutex<bool>,
    told: Mutex<Sender<()>>,
}

impl Relay {
    /// A relay that lets everything through until it is told otherwise.
    pub(crate) fn start(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, cuts) = channel();
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            cut: Mutex::default(),
            then_down: Mutex::default(),
            down: Mutex::default(),
            told: Mutex::new(told),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                if !*shared.down.lock().unwrap() {
                    thread::spawn(move || shared.relay(client));
                }
            }
        });
        Self { port, shared, cuts }
    }

    /// The mail behind it.
    pub(crate) fn mail(&self, mail: &Mail) -> Mail {
        let rest = mail.connection.split_once(" user=").unwrap().1;
        let connection = format!("host=127.0.0.1 port={} user={rest}", self.port);
        Mail { database: Database::new(&connection, None).unwrap(), authorities: None, connection }
    }

    /// Cuts at the next `COMMIT`; `then_down`: and nothing comes through afterwards.
    pub(crate) fn cut(&self, cut: Cut, then_down: bool) {
        *self.shared.cut.lock().unwrap() = Some(cut);
        *self.shared.then_down.lock().unwrap() = then_down;
    }

    /// Waits until a `COMMIT` came.
    pub(crate) fn wait(&self) {
        self.cuts.recv_timeout(crate::postgres::LIMIT).unwrap();
    }
}

impl Shared {
    fn relay(self: Arc<Self>, client: TcpStream) {
        let database = UnixStream::connect(&self.socket).unwrap();
        let answers_dropped = Arc::new(Mutex::new(false));
        let back = {
            let (mut client, mut database) = (client.try_clone().unwrap(), database.try_clone().unwrap());
            let dropped = Arc::clone(&answers_dropped);
            thread::spawn(move || {
                let mut piece = [0; 65536];
                while let Ok(octets @ 1..) = database.read(&mut piece) {
                    if *dropped.lock().unwrap() || client.write_all(&piece[..octets]).is_err() {
                        break;
                    }
                }
                drop(client.shutdown(Shutdown::Both));
                drop(database.shutdown(Shutdown::Both));
            })
        };
        self.forward(client, database, &answers_dropped);
        back.join().unwrap();
    }

    fn forward(&self, mut client: TcpStream, mut database: UnixStream, answers_dropped: &Mutex<bool>) {
        let mut piece = [0; 65536];
        while let Ok(octets @ 1..) = client.read(&mut piece) {
            let commit = piece[..octets].windows(7).any(|word| word == b"COMMIT\0");
            let cut = if commit { self.cut.lock().unwrap().take() } else { None };
            if let Some(cut) = cut {
                *self.down.lock().unwrap() = *self.then_down.lock().unwrap();
                *answers_dropped.lock().unwrap() = true;
                self.told.lock().unwrap().send(()).unwrap();
                match cut {
                    Cut::Before => break,
                    Cut::After => {}
                    Cut::Held => {
                        drop(client.read(&mut piece));
                        break;
                    }
                }
            }
            if database.write_all(&piece[..octets]).is_err() {
                break;
            }
        }
        drop(client.shutdown(Shutdown::Both));
        // What is under way to the database still goes there.
        drop(database.shutdown(Shutdown::Both));
    }
}

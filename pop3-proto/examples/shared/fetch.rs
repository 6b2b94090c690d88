//! What the clients of these examples say, and what they do with the mail: nothing here knows how octets travel.
//!
//! Logs in with `USER` and `PASS`, fetches each message into a file, leaves all of them on the server, and says `QUIT`.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pop3_proto::{Arg, ClientEvent, Command, MessageNumber, Reply, Secret, Verb};

/// The end of a program that could not do its work.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// One run of a client.
pub(crate) struct Fetch {
    user: String,
    password: String,
    folder: PathBuf,
    /// Whether to begin with `STLS`.
    stls: bool,
    messages: u32,
    /// The message that is being received.
    receiving: Option<(MessageNumber, File)>,
}

impl Fetch {
    /// The password is the first line of the standard input: arguments and the environment are for everybody to see.
    pub(crate) fn new(user: &str, folder: &str, stls: bool) -> Result<Self, Failure> {
        let mut password = String::new();
        std::io::stdin().read_line(&mut password)?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        fs::create_dir_all(folder)?;
        let folder = Path::new(folder).to_owned();
        Ok(Self { user: user.to_owned(), password, folder, stls, messages: 0, receiving: None })
    }

    /// Acts on an event and says what to send next; `None`: the rest of the reply comes first.
    pub(crate) fn on(&mut self, event: ClientEvent<'_>) -> Result<Option<Command<'_>>, Failure> {
        match event {
            ClientEvent::Greeting(line) if line.is_ok() && self.stls => Ok(Some(Command::Stls)),
            ClientEvent::Greeting(line) if line.is_ok() => self.log_in().map(Some),
            ClientEvent::Reply(reply) if reply.is_ok() => self.reply(reply),
            ClientEvent::Reply(reply) => {
                // The server's own words, made harmless for a terminal.
                Err(format!("{} refused: {}", reply.verb, reply.line.text.escape_ascii()).into())
            }
            ClientEvent::Body(_, part) => {
                if let Some((_, file)) = &mut self.receiving {
                    file.write_all(part)?;
                }
                Ok(None)
            }
            ClientEvent::End(_) => self.end_of_message().map(Some),
            ClientEvent::Greeting(line) | ClientEvent::ClosingNotice(line) => {
                Err(format!("the server refuses the session: {}", line.text.escape_ascii()).into())
            }
            _ => Err("an answer to nothing that was asked".into()),
        }
    }

    /// What comes first, and again after `STLS`.
    pub(crate) fn log_in(&self) -> Result<Command<'_>, Failure> {
        Ok(Command::User(Arg::new(self.user.as_bytes())?))
    }

    fn reply(&mut self, reply: Reply<'_>) -> Result<Option<Command<'_>>, Failure> {
        match reply.verb {
            Verb::User => Ok(Some(Command::Pass(Secret::new(self.password.as_bytes())?))),
            Verb::Pass => Ok(Some(Command::Stat)),
            Verb::Stat => {
                let listing = reply.drop_listing().ok_or("the reply to STAT has no numbers")?;
                self.messages = listing.messages;
                Ok(Some(self.message(MessageNumber::new(1))))
            }
            Verb::Retr => {
                let number = reply.message.ok_or("a message without a number")?;
                self.receiving = Some((number, File::create(self.path(number, "part"))?));
                Ok(None)
            }
            // After STLS the driver asks again, once the handshake is done. After QUIT there is nothing to say.
            _ => Ok(None),
        }
    }

    /// The whole message has come, and only now it gets its name: what was cut off keeps another one.
    fn end_of_message(&mut self) -> Result<Command<'_>, Failure> {
        let (number, file) = self.receiving.take().ok_or("the end of no message")?;
        file.sync_all()?;
        fs::rename(self.path(number, "part"), self.path(number, "eml"))?;
        Ok(self.message(MessageNumber::new(number.get().saturating_add(1))))
    }

    fn message(&self, number: Option<MessageNumber>) -> Command<'static> {
        number.filter(|number| number.get() <= self.messages).map_or(Command::Quit, Command::Retr)
    }

    /// A file name is never made of what the server said, but for a number.
    fn path(&self, number: MessageNumber, suffix: &str) -> PathBuf {
        self.folder.join(format!("{number}.{suffix}"))
    }
}

//! What a session asks for, without the input that it borrows.

use pop3_proto::server::{CloseReason, Request, SaslInput};
use pop3_proto::{Base64, MechanismName, MessageNumber};

use super::login::Exchange;
use crate::simulation::model::Violation;

/// What a [`Request`] asks for, without the input that it borrows.
pub(super) enum Ask {
    Login(Vec<u8>),
    Sasl(Exchange),
    /// The number, and whether all of it is asked for.
    Message(MessageNumber, bool),
    StartTls,
    Commit,
    Close(CloseReason),
}

pub(super) fn ask(request: Request<'_>) -> Result<Ask, Violation> {
    let decoded = |text: Base64<'_>| {
        let mut room = vec![0; text.decoded_len()];
        text.decode(&mut room).expect("there is room");
        room
    };
    Ok(match request {
        Request::Login { password } => Ask::Login(password.expose().to_vec()),
        Request::Sasl(SaslInput::Start { mechanism, initial }) => Ask::Sasl(Exchange::Start {
            plain: mechanism == MechanismName::PLAIN,
            initial: initial.map(|initial| decoded(initial.base64())),
        }),
        Request::Sasl(SaslInput::Response(text)) => Ask::Sasl(Exchange::Response(decoded(text))),
        Request::Sasl(SaslInput::Ended) => Ask::Sasl(Exchange::Ended),
        Request::Message { number, lines } => Ask::Message(number, lines.is_none()),
        Request::StartTls => Ask::StartTls,
        Request::Commit => Ask::Commit,
        Request::Close(reason) => Ask::Close(reason),
        other => return Err(Violation::new(format!("an unexpected request: {other:?}"))),
    })
}

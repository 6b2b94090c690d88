//! What is shown to clients with and without UTF-8 mode, and in which language.

use pop3_blocking::server::{Language, ServerBuilder, Utf8Policy};

use super::SettingsError;
use super::file::File;

#[derive(Debug, clap::Args)]
pub(crate) struct TextArgs {
    /// Whether to offer UTF8 (RFC 6856), and what clients get that do not ask for it when a message's header is not
    /// ASCII: a surrogate (RFC 6858) or an error. "off": UTF8 is not offered, and all get messages as they are stored
    /// [default: off]
    #[arg(long, value_enum, value_name = "WHAT")]
    utf8: Option<Utf8>,

    /// Take UTF8 after the login too, without effect: for Outlook.
    #[arg(long)]
    lenient_utf8: bool,

    /// The language of replies that clients get who leave the choice to the server (LANG *): de, en or sv. Without LANG
    /// replies are in English.
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Utf8 {
    #[default]
    Off,
    Surrogate,
    Refuse,
}

#[derive(Debug)]
pub(crate) struct TextSettings {
    utf8: Utf8Policy,
    lenient_utf8: bool,
    language: Option<String>,
}

impl TextArgs {
    pub(super) fn settle(self, file: &mut File) -> Result<TextSettings, SettingsError> {
        let language = self.language.or_else(|| file.language.take());
        if let Some(tag) = &language {
            if !Language::BUILT_IN.iter().any(|language| language.tag().eq_ignore_ascii_case(tag)) {
                return Err(SettingsError::Language(tag.clone()));
            }
        }
        Ok(TextSettings {
            utf8: match self.utf8.or(file.utf8).unwrap_or_default() {
                Utf8::Off => Utf8Policy::Off,
                Utf8::Surrogate => Utf8Policy::Surrogate,
                Utf8::Refuse => Utf8Policy::Refuse,
            },
            lenient_utf8: self.lenient_utf8 || file.lenient_utf8,
            language,
        })
    }
}

impl TextSettings {
    pub(crate) fn apply(&self, builder: ServerBuilder) -> ServerBuilder {
        let builder = builder.utf8(self.utf8);
        let builder = if self.lenient_utf8 { builder.lenient_utf8() } else { builder };
        match &self.language {
            Some(tag) => builder.default_language(tag),
            None => builder,
        }
    }
}

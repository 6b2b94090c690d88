//! Load balancers in front of listeners, which tell the client's address.

use pop3_blocking::server::{Network, TrustedProxies};

use super::SettingsError;
use super::file::OneOrMore;

#[derive(Debug, clap::Args)]
pub(crate) struct ProxyArgs {
    /// Every connection begins with a PROXY header, version 1 or 2, which tells the client's address, as HAProxy sends it
    /// with send-proxy or send-proxy-v2: to be had and believed from this address, or network as in 192.0.2.0/24, and
    /// from no other. Who sends no header is not answered. May be given more than once; `[[listener]]` tables may have
    /// their own, `[]` for none
    #[arg(long, value_name = "NET")]
    proxy_from: Vec<String>,

    /// Connections that do not come from --proxy-from: "refuse" them, or "serve" them as what they are, without a header
    /// [default: refuse]
    #[arg(long, value_name = "WHAT")]
    proxy_others: Option<Others>,
}

/// What becomes of connections that come around the proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Others {
    /// They are closed
    #[default]
    Refuse,
    /// They are clients
    Serve,
}

/// What a listener may have of its own in the file.
#[derive(Debug, Default)]
pub(super) struct ProxyTable {
    pub(super) proxy_from: Option<OneOrMore<String>>,
    pub(super) proxy_others: Option<Others>,
}

/// What holds for listeners without their own.
pub(super) struct ProxyDefaults {
    from: Vec<String>,
    others: Option<Others>,
}

impl ProxyArgs {
    /// The command line goes before the file.
    pub(super) fn unless(
        self,
        file_from: &mut OneOrMore<String>,
        file_others: Option<Others>,
    ) -> ProxyDefaults {
        ProxyDefaults { from: file_from.unless(self.proxy_from), others: self.proxy_others.or(file_others) }
    }
}

impl ProxyDefaults {
    /// Those of a listener, which may have its own.
    pub(super) fn settle(&self, own: ProxyTable) -> Result<Option<TrustedProxies>, SettingsError> {
        let from = own.proxy_from.map_or_else(|| self.from.clone(), OneOrMore::into_vec);
        let others = own.proxy_others.or(self.others);
        if from.is_empty() {
            return if others.is_some() { Err(SettingsError::NoProxies) } else { Ok(None) };
        }
        let network = |text: String| text.parse::<Network>().map_err(|_| SettingsError::Network(text));
        let proxies = TrustedProxies::new(from.into_iter().map(network).collect::<Result<Vec<_>, _>>()?);
        Ok(Some(if others == Some(Others::Serve) { proxies.serve_others() } else { proxies }))
    }
}

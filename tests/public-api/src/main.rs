//! `pop3-public-api FILE.json`: the public items of a crate, one a line, for `.ci/api`. The file is what rustdoc writes of
//! the crate.
//!
//! Left out is what follows from other lines or says nothing: `impl`s that each type has (`Into`), the methods of derived
//! traits, and that a type has an auto trait. That it has not is a line, as `impl !Send for Type`.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: pop3-public-api FILE.json")?;
    let api = public_api::Builder::from_rustdoc_json(path).omit_blanket_impls(true).build()?;
    let mut out = std::io::stdout().lock();
    for line in api.items().map(ToString::to_string).filter(|line| !goes_without_saying(line)) {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

fn goes_without_saying(line: &str) -> bool {
    // Of the compiler, or for it alone.
    let internal = ["Freeze", "UnsafeUnpin", "StructuralPartialEq"];
    let internal = internal.iter().any(|name| line.contains(&format!("core::marker::{name} for ")));
    let auto = ["marker::Send", "marker::Sync", "marker::Unpin"];
    let auto = auto.iter().chain(&["panic::unwind_safe::RefUnwindSafe", "panic::unwind_safe::UnwindSafe"]);
    let unconditional = !line.contains('!') && !line.contains(" where ");
    let auto = unconditional && auto.into_iter().any(|name| line.contains(&format!(" core::{name} for ")));
    let derived = [
        "::clone(&self) -> ",
        "::cmp(&self, &",
        "::eq(&self, &",
        "::fmt(&self, &mut core::fmt::Formatter<'_>) -> ",
        "::hash<__H: core::hash::Hasher>(&self, &mut __H)",
        "::partial_cmp(&self, &",
    ];
    let derived = line.starts_with("pub fn ") && derived.iter().any(|end| line.contains(end));
    internal || auto || derived
}

#[cfg(test)]
mod tests {
    use super::goes_without_saying;

    #[test]
    fn what_a_user_may_rely_on_is_told() {
        for line in [
            "impl core::clone::Clone for a::B",
            "impl !core::marker::Send for a::B",
            "impl<T> core::marker::Send for a::B<T> where T: core::marker::Send",
            "pub fn a::B::fmt(&self) -> u8",
            "pub fn a::clone(u8)",
            "pub struct a::Freeze",
        ] {
            assert!(!goes_without_saying(line), "{line}");
        }
        for line in [
            "impl core::marker::Send for a::B",
            "impl<'a> core::panic::unwind_safe::UnwindSafe for a::B<'a>",
            "impl<T> !core::marker::Freeze for a::B<T>",
            "pub fn a::B::eq(&self, &a::B) -> bool",
            "pub fn a::B::fmt(&self, &mut core::fmt::Formatter<'_>) -> core::fmt::Result",
        ] {
            assert!(goes_without_saying(line), "{line}");
        }
    }
}

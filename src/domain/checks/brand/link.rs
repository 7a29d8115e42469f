//! Where links lead.

use url::{Host, Url};

use crate::domain::checks::{Findings, Level};

/// The longest link that is read, and the most of one text.
const LONG: usize = 2_048;
const MOST: usize = 1_000;
/// The longest scheme that is looked back for.
const SCHEME: usize = 20;

/// Denies links that hide where they lead, and reports those that lead elsewhere than to the allowed domains. A link
/// is read as browsers read it (WHATWG URL), internationalised names in their ASCII form.
pub(super) fn look(text: &str, at: &str, allowed: &[String], level: Level, found: &mut Findings) {
    for (links, link) in (1..).zip(links(text)) {
        if links > MOST {
            let message = format!("more than {MOST} links in one text");
            found.add(Level::Deny, at, message, "shorten the text");
            return;
        }
        let trick = |found: &mut Findings, what: &str| {
            found.add(
                Level::Deny,
                at,
                what,
                "write links out plainly, as `https://` and a domain",
            );
        };
        if link.len() > LONG {
            trick(found, "a link of more than 2,048 bytes");
            continue;
        }
        let link = if link.starts_with("//") {
            format!("https:{link}")
        } else if link.contains("://") {
            link
        } else {
            format!("https://{link}")
        };
        let Ok(url) = Url::parse(&link) else {
            trick(found, "a link that can't be read");
            continue;
        };
        if !matches!(url.scheme(), "http" | "https") {
            trick(found, "a link that is not to a website");
        } else if !url.username().is_empty() || url.password().is_some() {
            trick(
                found,
                "a link with a name in front of its domain, which hides where it leads",
            );
        } else {
            match url.host() {
                Some(Host::Domain(host)) => {
                    let host = host.trim_end_matches('.');
                    let leads = |domain: &String| {
                        host.strip_suffix(domain.as_str())
                            .is_some_and(|front| front.is_empty() || front.ends_with('.'))
                    };
                    if !allowed.iter().any(leads) {
                        let shown: String = host.chars().take(80).collect();
                        let message = format!("a link to `{shown}`");
                        found.add(
                            level,
                            at,
                            message,
                            format!("link only to `{}`", allowed.join("`, `")),
                        );
                    }
                }
                Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => trick(found, "a link to a bare address"),
            }
        }
    }
}

/// Everything that a reader's program would make a link of: `scheme://`, `//` in an attribute, `www.`, and the schemes
/// that run code.
fn links(text: &str) -> impl Iterator<Item = String> {
    let bytes = text.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            if !matches!(
                rest.first(),
                Some(b'/' | b'\\' | b'w' | b'W' | b'j' | b'J' | b'd' | b'D')
            ) {
                from += 1;
                continue;
            }
            let start = if rest.starts_with(b"//") || rest.starts_with(b"\\\\") {
                begin(bytes, from)
            } else if is_word(bytes, from)
                && (starts(rest, b"www.") || starts(rest, b"javascript:") || starts(rest, b"data:text"))
            {
                Some(from)
            } else {
                None
            };
            let Some(start) = start else {
                from += 1;
                continue;
            };
            let end = end(bytes, start);
            from = end.max(from + 2);
            if let Some(link) = text.get(start..end) {
                // Browsers drop tabs and line ends inside a link.
                let link: String = link
                    .chars()
                    .filter(|c| !matches!(c, '\n' | '\r' | '\t'))
                    .collect();
                return Some(link.trim_end_matches(['.', ',', ';', ':', '!', '?']).to_owned());
            }
        }
        None
    })
}

fn starts(rest: &[u8], prefix: &[u8]) -> bool {
    rest.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'/' | b'@' | b'-'))
}

/// Where the link around `//` begins: at its scheme, or at `//` itself in quotes or brackets.
fn begin(bytes: &[u8], at: usize) -> Option<usize> {
    let before = bytes.get(at.saturating_sub(SCHEME + 1)..at)?;
    match before.split_last() {
        Some((b':', scheme)) => {
            let length = scheme
                .iter()
                .rev()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
                .count();
            (length > 0).then_some(at - 1 - length)
        }
        Some((b'"' | b'\'' | b'(' | b'=' | b'<', _)) => Some(at),
        Some(_) | None => None,
    }
}

/// Where a link ends: at its closing quote when it stands in quotes, else at a space or a bracket.
fn end(bytes: &[u8], start: usize) -> usize {
    let quote = start
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .filter(|byte| matches!(byte, b'"' | b'\''));
    let rest = bytes.get(start..).unwrap_or_default();
    let quoted = quote.and_then(|quote| rest.iter().take(LONG + 2).position(|byte| byte == quote));
    let open = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b'`')
    };
    let plain = || {
        rest.iter()
            .take(LONG + 2)
            .position(open)
            .unwrap_or(rest.len().min(LONG + 2))
    };
    let mut end = start + quoted.unwrap_or_else(plain);
    while end < bytes.len() && bytes.get(end).is_some_and(|byte| (0x80..0xc0).contains(byte)) {
        end += 1;
    }
    end
}

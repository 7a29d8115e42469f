//! E-mail addresses.

use super::Hit;

/// RFC 5321 4.5.3.1: octets before the `@`, of the domain, and of one label (RFC 1035 2.3.4).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;
const LABEL: usize = 63;
/// `@` as URLs write it.
const ENCODED: &[u8] = b"%40";

/// Addresses with a dotted domain; internationalised ones too (RFC 6531).
pub(super) fn find(text: &str) -> Vec<Hit> {
    let bytes = text.as_bytes();
    let mut hits = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let width = match byte {
            b'@' => 1,
            b'%' if bytes.get(at..).is_some_and(|rest| rest.starts_with(ENCODED)) => ENCODED.len(),
            _ => continue,
        };
        let before = bytes.get(at.saturating_sub(LOCAL)..at).unwrap_or_default();
        let local = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        let after = bytes.get(at + width..).unwrap_or_default();
        let domain = after
            .iter()
            .take(DOMAIN)
            .take_while(|byte| is_domain(**byte))
            .count();
        let range = at - local..at + width + domain;
        let host = text
            .get(at + width..range.end)
            .map(|host| host.trim_end_matches(['.', '-']));
        let (Some(host), Some(local)) = (host, text.get(range.start..at)) else {
            continue;
        };
        if !local.trim_matches('.').is_empty() && is_host(host) {
            hits.push(Hit {
                range: range.start..at + width + host.len(),
                what: "an e-mail address",
                masked: masked(local, host),
            });
        }
    }
    hits
}

/// RFC 5322 3.2.3 `atext` and `.`.
const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(
            byte,
            b'.' | b'_' | b'+' | b'-' | b'\'' | b'&' | b'~' | b'#' | b'$'
        )
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-')
}

fn is_host(host: &str) -> bool {
    let mut labels = host.split('.');
    let top = labels.next_back().unwrap_or_default();
    let label = |label: &str| {
        !label.is_empty() && label.len() <= LABEL && !label.starts_with('-') && !label.ends_with('-')
    };
    let letters = top.chars().count() >= 2 && !top.bytes().all(|byte| byte.is_ascii_digit());
    host.contains('.') && letters && label(top) && labels.all(label)
}

/// The first character of a local part of three or more, and a short top-level domain.
fn masked(local: &str, host: &str) -> String {
    let first = local
        .chars()
        .next()
        .filter(|c| c.is_ascii_alphanumeric() && local.len() >= 3);
    let top = host.rsplit('.').next().unwrap_or_default();
    let top = if top.len() <= 4 && top.is_ascii() {
        top
    } else {
        "***"
    };
    format!("{}***@***.{top}", first.map(String::from).unwrap_or_default())
}

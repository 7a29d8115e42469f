//! What tokens of well-known issuers look like, as each issuer or its secret-scanning partner page documents them.

use std::sync::LazyLock;

use super::run;

/// How a token goes on after its prefix.
struct Shape {
    prefix: &'static str,
    /// The fewest characters that follow.
    least: usize,
    alphabet: Alphabet,
    what: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Letters and digits.
    Plain,
    /// Letters, digits, `-` and `_`.
    Url,
    /// Upper-case base32 (RFC 4648 6).
    Base32,
    /// Hexadecimal digits.
    Hex,
    /// Letters and digits; the last six of 36 are a CRC-32 of the first thirty in base 62, padded with `0`
    /// (GitHub Engineering, "Behind GitHub's new authentication token formats"; npm uses the same).
    Checked,
}

const fn shape(prefix: &'static str, least: usize, alphabet: Alphabet, what: &'static str) -> Shape {
    Shape {
        prefix,
        least,
        alphabet,
        what,
    }
}

use Alphabet::{Base32, Checked, Hex, Plain, Url};

const AWS: &str = "an AWS access key";
const GITHUB: &str = "a GitHub token";
const GITLAB: &str = "a GitLab token";
const SLACK: &str = "a Slack token";
const STRIPE: &str = "a Stripe secret key";
const GOOGLE: &str = "a Google credential";

const SHAPES: &[Shape] = &[
    // AWS IAM User Guide, "IAM identifiers": unique ID prefixes of access keys; 16 characters follow.
    shape("AKIA", 16, Base32, AWS),
    shape("ASIA", 16, Base32, AWS),
    shape("ABIA", 16, Base32, AWS),
    shape("ACCA", 16, Base32, AWS),
    // GitHub Docs, "About authentication to GitHub": token formats.
    shape("ghp_", 36, Checked, GITHUB),
    shape("gho_", 36, Checked, GITHUB),
    shape("ghu_", 36, Checked, GITHUB),
    shape("ghs_", 36, Checked, GITHUB),
    shape("ghr_", 36, Checked, GITHUB),
    shape("github_pat_", 22, Url, GITHUB),
    // GitLab Docs, "Token overview": token prefixes.
    shape("glpat-", 20, Url, GITLAB),
    shape("gldt-", 20, Url, GITLAB),
    shape("glrt-", 20, Url, GITLAB),
    shape("glrtr-", 20, Url, GITLAB),
    shape("glcbt-", 20, Url, GITLAB),
    shape("glptt-", 20, Url, GITLAB),
    shape("glft-", 20, Url, GITLAB),
    shape("glimt-", 20, Url, GITLAB),
    shape("glagent-", 20, Url, GITLAB),
    shape("gloas-", 20, Url, GITLAB),
    shape("glsoat-", 20, Url, GITLAB),
    // Slack Docs, "Token types"; incoming webhooks hold theirs in the path.
    shape("xoxb-", 20, Url, SLACK),
    shape("xoxp-", 20, Url, SLACK),
    shape("xoxa-", 20, Url, SLACK),
    shape("xoxr-", 20, Url, SLACK),
    shape("xoxs-", 20, Url, SLACK),
    shape("xoxe-", 20, Url, SLACK),
    shape("xoxe.xox", 20, Url, SLACK),
    shape("xapp-", 20, Url, SLACK),
    // Stripe Docs, "API keys": secret and restricted keys, webhook signing secrets. Publishable keys are public.
    shape("sk_live_", 16, Plain, STRIPE),
    shape("sk_test_", 16, Plain, STRIPE),
    shape("rk_live_", 16, Plain, STRIPE),
    shape("rk_test_", 16, Plain, STRIPE),
    shape("whsec_", 24, Plain, STRIPE),
    // Google Cloud Docs, "API keys" and "OAuth 2.0": keys, client secrets, access and refresh tokens.
    shape("AIza", 35, Url, GOOGLE),
    shape("GOCSPX-", 24, Url, GOOGLE),
    shape("ya29.", 30, Url, GOOGLE),
    shape("1//0", 40, Url, GOOGLE),
    // npm Docs, "About access tokens"; PyPI, "API tokens" (the base64 of a macaroon for pypi.org).
    shape("npm_", 36, Checked, "an npm token"),
    shape("pypi-AgEI", 50, Url, "a PyPI token"),
    shape("sk-ant-", 40, Url, "an Anthropic key"),
    shape("sk-proj-", 40, Url, "an OpenAI key"),
    shape("sk-svcacct-", 40, Url, "an OpenAI key"),
    shape("hf_", 34, Plain, "a Hugging Face token"),
    shape("hvs.", 24, Url, "a Vault token"),
    shape("hvb.", 24, Url, "a Vault token"),
    shape("dop_v1_", 64, Hex, "a DigitalOcean token"),
    shape("doo_v1_", 64, Hex, "a DigitalOcean token"),
    shape("shpat_", 32, Hex, "a Shopify token"),
    shape("shpss_", 32, Hex, "a Shopify token"),
    shape("dapi", 32, Hex, "a Databricks token"),
    shape("lin_api_", 40, Plain, "a Linear key"),
    shape("AGE-SECRET-KEY-1", 58, Plain, "an age key"),
    shape("SG.", 22, Url, "a SendGrid key"),
];

/// The shapes by the first byte of their prefix.
static BY_FIRST: LazyLock<[Vec<&Shape>; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let begins = |shape: &&Shape| shape.prefix.bytes().next().map(usize::from) == Some(byte);
        SHAPES.iter().filter(begins).collect()
    })
});

/// What a webhook address of Slack begins with; whoever knows the path may post.
const SLACK_HOOK: &[u8] = b"hooks.slack.com/services/T";

/// A token of a known issuer that begins at a place.
pub(super) fn known_token(bytes: &[u8], at: usize) -> Option<&'static str> {
    let rest = bytes.get(at..)?;
    let shapes = BY_FIRST.get(usize::from(*rest.first()?))?;
    if rest.starts_with(SLACK_HOOK) {
        return Some("a Slack webhook address");
    }
    shapes
        .iter()
        .find(|shape| shape.fits(rest))
        .map(|shape| shape.what)
}

impl Shape {
    fn fits(&self, rest: &[u8]) -> bool {
        let Some(token) = rest.strip_prefix(self.prefix.as_bytes()) else {
            return false;
        };
        let length = token
            .iter()
            .take(self.least.max(80))
            .take_while(|byte| self.alphabet.has(**byte))
            .count();
        let Some(token) = token.get(..length).filter(|token| token.len() >= self.least) else {
            return false;
        };
        // What fails its checksum may be a real token with one slip of the pen; only a row of `x` is none.
        self.alphabet == Checked && token.len() == 36 && holds(token) || entropy(token) >= 2.5
    }
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Plain | Checked => byte.is_ascii_alphanumeric(),
            Url => is_token_char(byte),
            Base32 => byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'),
            Hex => byte.is_ascii_hexdigit(),
        }
    }
}

/// Letters, digits, `-` and `_`.
pub(super) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether the last six of 36 characters are the checksum of the first thirty.
fn holds(token: &[u8]) -> bool {
    let parts = token.split_at_checked(30);
    parts.is_some_and(|(body, sum)| sum == checksum(body))
}

/// The checksum of a token's body, in six digits of base 62.
pub(super) fn checksum(body: &[u8]) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32(body);
    let mut sum = [b'0'; 6];
    for place in sum.iter_mut().rev() {
        *place = DIGITS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    sum
}

/// CRC-32 as in ISO 3309 and zlib.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

/// Whether a value is one that a program drew or a careful person chose: 12 characters or more, of two kinds at least,
/// seldom the same one; no place to be filled.
pub(super) fn is_random(value: &[u8]) -> bool {
    let placeholder = [&b"${"[..], b"{{", b"<", b"%", b"***", b"$("]
        .iter()
        .any(|start| value.starts_with(start));
    let kinds = [
        u8::is_ascii_lowercase as fn(&u8) -> bool,
        u8::is_ascii_uppercase,
        u8::is_ascii_digit,
        u8::is_ascii_punctuation,
    ];
    let kinds = kinds.iter().filter(|kind| value.iter().any(**kind));
    // A path, a version or a name in several words has no digits, or many separators between short words.
    let digits = value.iter().any(u8::is_ascii_digit);
    let length = value.len();
    !placeholder
        && length >= 12
        && kinds.count() >= 2
        && digits
        && entropy(value) >= 3.0
        && run(value, 0, 64) >= 8
}

/// Shannon entropy in bits a character.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = bytes.len().max(1) as f64;
    let seen = counts.iter().filter(|count| **count > 0);
    seen.map(|count| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    })
    .sum()
}

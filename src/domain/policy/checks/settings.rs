//! How the built-in checks are set: `checks/pii.yaml`, `text.yaml`, `brand.yaml` and `consent.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

use super::{RawExceptions, Reading};
use crate::domain::{
    checks::{
        Level,
        brand::{self, Forbidden},
        consent::{self, Needed},
        pii::{self, PiiKind},
        text::{self, Known},
    },
    policy::{
        error::{Errors, Rule},
        http::JsonPointer,
        param::ParamPath,
    },
    source::{Node, nearest},
};

/// The most wordings, names and domains of one list, and the longest of them in bytes.
const MAX_LIST: usize = 1_000;
const MAX_TEXT: usize = 200;

/// The level of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawLevel {
    Deny,
    Warn,
}

impl From<RawLevel> for Level {
    fn from(raw: RawLevel) -> Self {
        match raw {
            RawLevel::Deny => Self::Deny,
            RawLevel::Warn => Self::Warn,
        }
    }
}

/// What a kind of personal data means.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RawPiiLevel {
    Deny,
    Warn,
    Off,
}

/// What counts as personal data.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::domain::policy) struct RawPii {
    /// What each kind of personal data means; `deny` unless stated.
    #[serde(default)]
    levels: BTreeMap<PiiKind, RawPiiLevel>,
    /// Parameters that may hold personal data.
    #[serde(default)]
    allow: Vec<ParamPath>,
    /// Names of fields that hold personal data whatever their values.
    fields: Option<Vec<String>>,
    /// Countries whose national ids are looked for; all that are known unless stated.
    #[serde(default)]
    countries: Vec<String>,
    /// Who may let a proposal pass all the same.
    exceptions: Option<RawExceptions>,
}

/// Names that others may not look like.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::domain::policy) struct RawText {
    /// Names of known payees, customers and brands.
    #[serde(default)]
    known: Vec<String>,
    /// Known domains, as in `acme.example`.
    #[serde(default)]
    known_domains: Vec<String>,
    /// Who may let a proposal pass all the same.
    exceptions: Option<RawExceptions>,
}

/// What the organisation may say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::domain::policy) struct RawBrand {
    /// The level of findings; `deny` unless stated.
    level: Option<RawLevel>,
    /// The parameters that are read; all unless stated.
    #[serde(default)]
    texts: Vec<ParamPath>,
    /// Wordings that may not appear.
    #[serde(default)]
    forbidden: Vec<RawForbidden>,
    /// Wordings that must appear.
    #[serde(default)]
    required: Vec<String>,
    /// The domains that links may lead to.
    links: Option<Vec<String>>,
    /// The way to unsubscribe that must be there.
    unsubscribe: Option<RawUnsubscribe>,
    /// Who may send.
    senders: Option<RawSenders>,
    /// Who may let a proposal pass all the same.
    exceptions: Option<RawExceptions>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawForbidden {
    /// The wording.
    words: String,
    /// What to write instead.
    instead: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawUnsubscribe {
    /// The parameter where it stands.
    param: ParamPath,
    /// One of these must appear.
    words: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSenders {
    /// The parameters that name the sender.
    params: Vec<ParamPath>,
    /// The senders that may stand there.
    allow: Vec<String>,
}

/// Whose consent is needed, and where it stands in what the bot observed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::domain::policy) struct RawConsent {
    /// Where the people are: `/before/...`, `/after/...` or `/affected/sample`.
    audience: JsonPointer,
    /// Where a person's consents are, from the person.
    consents: JsonPointer,
    /// Where a consent's purpose is, from the consent.
    purpose: JsonPointer,
    /// Where the time is until which it holds, from the consent.
    expires: Option<JsonPointer>,
    /// Where the time is at which it was withdrawn, from the consent.
    withdrawn: Option<JsonPointer>,
    /// The purpose that is needed, or the parameter that names it, as in `params.purpose`.
    needed: String,
    /// Whether a part of the people is enough to look at.
    #[serde(default)]
    partial: bool,
    /// Who may let a proposal pass all the same.
    exceptions: Option<RawExceptions>,
}

/// Reads the settings of a built-in check; gives who may let pass what it denies.
pub(super) fn read(name: &str, reading: &mut Reading<'_>, errors: &mut Errors) -> Option<RawExceptions> {
    match name {
        "pii" => pii(reading, errors),
        "text" => text(reading, errors),
        "brand" => brand(reading, errors),
        "consent" => consent(reading, errors),
        _ => {
            let message = format!(
                "there is nothing to set for `{name}`; remove the file, or give your own check another name"
            );
            errors.add(Rule::UnknownFile, reading.root.mark(), message);
            None
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(root: &Node, errors: &mut Errors) -> Option<T> {
    root.decode()
        .map_err(|fault| errors.fault(Rule::Syntax, fault))
        .ok()
}

fn pii(reading: &mut Reading<'_>, errors: &mut Errors) -> Option<RawExceptions> {
    let raw: RawPii = decode(reading.root, errors)?;
    reading.params(&raw.allow, "/allow");
    for (country, index) in raw.countries.iter().zip(0..) {
        if !pii::countries().any(|known| known == country) {
            let mark = reading.root.mark_at(&format!("/countries/{index}"));
            let mut known: Vec<&str> = pii::countries().collect();
            known.sort_unstable();
            known.dedup();
            let help = format!("national ids are known of `{}`", known.join("`, `"));
            errors.unknown(mark, &format!("country ({help})"), country, known);
        }
    }
    let fields = raw.fields.map(|fields| {
        texts(&fields, "/fields", reading.root, errors);
        pii::fields(fields.iter().map(String::as_str))
    });
    let standard = pii::Settings::default();
    reading.settings.pii = pii::Settings {
        levels: raw
            .levels
            .into_iter()
            .map(|(kind, level)| match level {
                RawPiiLevel::Deny => (kind, Level::Deny),
                RawPiiLevel::Warn => (kind, Level::Warn),
                RawPiiLevel::Off => (kind, Level::Pass),
            })
            .collect(),
        allow: raw.allow.iter().map(ParamPath::pointer).collect(),
        fields: fields.unwrap_or(standard.fields),
        countries: raw.countries,
    };
    raw.exceptions
}

fn text(reading: &mut Reading<'_>, errors: &mut Errors) -> Option<RawExceptions> {
    let raw: RawText = decode(reading.root, errors)?;
    texts(&raw.known, "/known", reading.root, errors);
    domains(&raw.known_domains, "/known_domains", reading.root, errors);
    reading.settings.text = text::Settings {
        known: Known::new(
            raw.known.iter().map(String::as_str),
            raw.known_domains.iter().map(String::as_str),
        ),
    };
    raw.exceptions
}

fn brand(reading: &mut Reading<'_>, errors: &mut Errors) -> Option<RawExceptions> {
    let raw: RawBrand = decode(reading.root, errors)?;
    let root = reading.root;
    reading.params(&raw.texts, "/texts");
    let words: Vec<String> = raw
        .forbidden
        .iter()
        .map(|forbidden| forbidden.words.clone())
        .collect();
    texts(&words, "/forbidden", root, errors);
    texts(&raw.required, "/required", root, errors);
    if let Some(unsubscribe) = &raw.unsubscribe {
        reading.params(std::slice::from_ref(&unsubscribe.param), "/unsubscribe/param");
        texts(&unsubscribe.words, "/unsubscribe/words", root, errors);
        not_empty(&unsubscribe.words, "/unsubscribe/words", root, errors);
    }
    if let Some(senders) = &raw.senders {
        reading.params(&senders.params, "/senders/params");
        texts(&senders.allow, "/senders/allow", root, errors);
        not_empty(&senders.params, "/senders/params", root, errors);
        not_empty(&senders.allow, "/senders/allow", root, errors);
    }
    let links = raw.links.map(|links| domains(&links, "/links", root, errors));
    let nothing = raw.forbidden.is_empty()
        && raw.required.is_empty()
        && links.is_none()
        && raw.unsubscribe.is_none()
        && raw.senders.is_none();
    if nothing {
        let message = "nothing is set, so the check would find nothing; set `forbidden`, `required`, `links`, `unsubscribe` or `senders`";
        errors.add(Rule::Syntax, root.mark(), message);
    }
    reading.settings.brand = Some(brand::Settings {
        texts: raw.texts.iter().map(ParamPath::pointer).collect(),
        forbidden: raw
            .forbidden
            .into_iter()
            .map(|forbidden| Forbidden::new(forbidden.words, forbidden.instead))
            .collect(),
        required: raw.required,
        links,
        unsubscribe: raw.unsubscribe.map(|unsubscribe| brand::Unsubscribe {
            param: unsubscribe.param.pointer(),
            words: unsubscribe.words,
        }),
        senders: raw.senders.map(|senders| brand::Senders {
            params: senders.params.iter().map(ParamPath::pointer).collect(),
            allow: senders.allow,
        }),
        warn: raw.level == Some(RawLevel::Warn),
    });
    raw.exceptions
}

fn consent(reading: &mut Reading<'_>, errors: &mut Errors) -> Option<RawExceptions> {
    /// What an observation keeps of an answer.
    const PARTS: &[&str] = &["/before", "/after", "/affected/sample"];
    let raw: RawConsent = decode(reading.root, errors)?;
    let audience = raw.audience.as_str();
    let observed = PARTS.iter().any(|part| {
        audience
            .strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') && *part != "/affected/sample")
    });
    if !observed {
        let mark = reading.root.mark_at("/audience");
        let near = nearest(audience, PARTS.iter().copied());
        let help = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let message = format!(
            "`{audience}` is no place in what the bot observes; write `/before/...`, `/after/...` or `/affected/sample`{help}"
        );
        errors.add(Rule::Syntax, mark, message);
    }
    let needed = if raw.needed.starts_with("params.") {
        match raw.needed.parse::<ParamPath>() {
            Ok(param) => {
                reading.params(std::slice::from_ref(&param), "/needed");
                Needed::Param(param.pointer())
            }
            Err(message) => {
                errors.add(Rule::Syntax, reading.root.mark_at("/needed"), message);
                return None;
            }
        }
    } else {
        texts(std::slice::from_ref(&raw.needed), "/needed", reading.root, errors);
        Needed::Purpose(raw.needed)
    };
    let text = |pointer: JsonPointer| pointer.as_str().to_owned();
    reading.settings.consent = Some(consent::Settings {
        audience: text(raw.audience),
        consents: text(raw.consents),
        purpose: text(raw.purpose),
        expires: raw.expires.map(text),
        withdrawn: raw.withdrawn.map(text),
        needed,
        partial: raw.partial,
    });
    raw.exceptions
}

/// Texts that are there, short and few.
fn texts(list: &[String], at: &str, root: &Node, errors: &mut Errors) {
    if list.len() > MAX_LIST {
        let message = format!("{} are listed; {MAX_LIST} is the limit", list.len());
        errors.add(Rule::Syntax, root.mark_at(at), message);
    }
    for (text, index) in list.iter().zip(0..) {
        if text.trim().is_empty() || text.len() > MAX_TEXT {
            let mark = root.mark_at(&format!("{at}/{index}"));
            errors.add(
                Rule::Syntax,
                mark,
                format!("write a text of 1 to {MAX_TEXT} bytes"),
            );
        }
    }
}

fn not_empty<T>(list: &[T], at: &str, root: &Node, errors: &mut Errors) {
    if list.is_empty() {
        errors.add(
            Rule::Syntax,
            root.mark_at(at),
            "the list is empty, so nothing could satisfy the check; name at least one",
        );
    }
}

/// Domains in their ASCII form (RFC 5890 A-labels).
fn domains(list: &[String], at: &str, root: &Node, errors: &mut Errors) -> Vec<String> {
    texts(list, at, root, errors);
    let mut found = Vec::new();
    for (text, index) in list.iter().zip(0..) {
        match url::Host::parse(text) {
            Ok(url::Host::Domain(domain))
                if domain.contains('.') && !domain.ends_with('.') && !domain.contains('*') =>
            {
                found.push(domain)
            }
            Ok(_) | Err(_) => {
                let mark = root.mark_at(&format!("{at}/{index}"));
                let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
                let message = format!(
                    "`{shown}` is not a domain; write it as in `acme.example`, without `*`, scheme or path"
                );
                errors.add(Rule::Syntax, mark, message);
            }
        }
    }
    found
}

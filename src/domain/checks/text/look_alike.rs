//! Names and domains that look like known ones and are others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    super::skeleton::{first_looks, looks, typed},
    show,
};
use crate::domain::{
    checks::{
        Findings, Level,
        reach::{Origin, Text},
    },
    matter::Matter,
};

/// The longest name in characters, and in words.
const LONG: usize = 100;
const WORDS: usize = 6;
/// RFC 1035 2.3.4: the longest domain.
const DOMAIN: usize = 253;
/// The shortest name that others are compared with; shorter ones look alike by chance.
const SHORT: usize = 3;

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Each name as people type it.
    typed: BTreeSet<String>,
    /// The name by each of its looks, and by how many words it has.
    looks: BTreeMap<String, String>,
    words: BTreeSet<usize>,
    /// The first words of all looks, and their first characters.
    first: BTreeSet<String>,
    /// Every word of all looks.
    parts: BTreeSet<String>,
    initials: BTreeSet<char>,
    /// The domain by each of its looks, and by how many labels it has.
    domains: BTreeMap<String, String>,
    labels: BTreeSet<usize>,
}

impl Known {
    /// Known names and domains.
    pub fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
        domains: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut known = Self::default();
        names.into_iter().for_each(|name| known.name(name));
        for domain in domains {
            let domain = readable(domain);
            known.labels.insert(domain.split('.').count());
            for look in looks(&domain) {
                known.domains.insert(look, domain.clone());
            }
        }
        known
    }

    fn name(&mut self, name: &str) {
        let name = name.trim();
        let count = name.split_whitespace().count();
        if name.chars().count() < SHORT || name.len() > 4 * LONG || !(1..=WORDS).contains(&count) {
            return;
        }
        self.typed.insert(typed(name));
        self.words.insert(count);
        for look in looks(&typed_spaces(name)) {
            self.parts.extend(look.split(' ').map(str::to_owned));
            if let Some(first) = look.split(' ').next() {
                self.first.insert(first.to_owned());
                self.initials.extend(first.chars().next());
            }
            self.looks.entry(look).or_insert_with(|| name.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.looks.is_empty() && self.domains.is_empty()
    }

    /// The known name that a whole text looks like and is not.
    fn whole(&self, text: &str) -> Option<&str> {
        if text.len() > 4 * LONG {
            return None;
        }
        self.other(&typed_spaces(text))
    }

    /// Whether a known name may have a word in it, and begin with it.
    fn may_hold(&self, word: &str) -> (bool, bool) {
        let looks = looks(word);
        let among = |set: &BTreeSet<String>| looks.iter().any(|look| set.contains(look));
        (among(&self.parts), among(&self.first))
    }

    /// Whether a known name may begin with a word's first character.
    fn may_begin(&self, word: &str) -> bool {
        let mut buffer = [0; 4];
        let first = word.chars().next().map(|c| &*c.encode_utf8(&mut buffer));
        let looks = looks(first.unwrap_or_default());
        let mut initials = looks.iter().filter_map(|look| look.chars().next());
        initials.any(|initial| self.initials.contains(&initial))
    }

    /// The known name that some words look like and are not.
    fn other(&self, written: &str) -> Option<&str> {
        if self.typed.contains(&typed(written)) {
            return None;
        }
        looks(written)
            .iter()
            .find_map(|look| self.looks.get(look))
            .map(String::as_str)
    }

    /// The known name that some words of a text look like and are not, and those words.
    fn within(&self, text: &str) -> Option<(&str, String)> {
        if self.looks.is_empty() {
            return None;
        }
        let edge = |c: char| !c.is_alphanumeric();
        let words: Vec<&str> = text
            .split_whitespace()
            .map(|word| word.trim_matches(edge))
            .filter(|word| !word.is_empty() && word.len() <= 4 * LONG)
            .collect();
        // Each word and each row of words is looked at once, however often it stands there.
        let mut held: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        let mut asked: BTreeSet<String> = BTreeSet::new();
        for (word, at) in words.iter().zip(0..) {
            let begins = match first_looks(word) {
                Some(looks) => looks.iter().any(|look| self.initials.contains(look)),
                None => held.contains_key(word) || self.may_begin(word),
            };
            if !begins {
                continue;
            }
            if !held.entry(word).or_insert_with(|| self.may_hold(word)).1 {
                continue;
            }
            for count in &self.words {
                let Some(window) = words.get(at..at + count) else {
                    continue;
                };
                let all = window
                    .iter()
                    .all(|word| held.entry(word).or_insert_with(|| self.may_hold(word)).0);
                let written = window.join(" ");
                if !all || asked.contains(&written) {
                    continue;
                }
                if let Some(name) = self.other(&written) {
                    return Some((name, written));
                }
                asked.insert(written);
            }
        }
        None
    }

    /// The known domain that a domain of a text looks like and is not, and the one in the text.
    fn domain(&self, text: &str) -> Option<(&str, String)> {
        const DOTS: [char; 4] = ['.', '。', '．', '｡'];
        if self.domains.is_empty() || !text.contains(DOTS) {
            return None;
        }
        let apart = |c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    '/' | '@' | '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';' | ':' | '?' | '#'
                )
        };
        let hosts = text
            .split(apart)
            .map(|part| part.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|part| part.len() <= DOMAIN && part.contains(DOTS));
        let mut seen = BTreeSet::new();
        hosts.filter(|host| seen.insert(*host)).find_map(|part| {
            let host = readable(part);
            let labels: Vec<&str> = host.split('.').collect();
            self.labels.iter().find_map(|count| {
                let tail = labels.get(labels.len().checked_sub(*count)?..)?.join(".");
                let known = looks(&tail).iter().find_map(|look| self.domains.get(look))?;
                (tail != *known).then(|| (known.as_str(), host.clone()))
            })
        })
    }
}

fn typed_spaces(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// A domain in lower case and in the letters that people see (RFC 5890 U-labels).
fn readable(domain: &str) -> String {
    let domain = domain.to_lowercase();
    if domain.is_ascii() && !domain.contains("xn--") {
        return domain;
    }
    match url::quirks::domain_to_unicode(&domain) {
        // A name that the rules of IDNA refuse is compared as it stands.
        name if name.is_empty() => domain,
        name => name.to_lowercase(),
    }
}

/// What the target itself calls things: every short text in the state before.
pub(super) fn observed(matter: &Matter<'_>) -> Known {
    fn collect<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
        match value {
            Value::String(text)
                if text.len() <= LONG && text.chars().any(char::is_alphabetic) && names.len() < 500 =>
            {
                names.push(text);
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Value::Object(fields) => fields.values().for_each(|item| collect(item, names)),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut names = Vec::new();
    for seen in matter.observed {
        collect(&seen.facts.before, &mut names);
    }
    Known::new(names, [])
}

/// Denies a text that looks like a known name or domain and is not; of what the target knows only whole values are
/// compared.
pub(super) fn look(text: Text<'_>, known: &Known, observed: &Known, found: &mut Findings) {
    if !found.has_room(Level::Deny) || text.origin == Origin::Observed {
        return;
    }
    let remedy = "send the one that is known, or have the new one added to the known names first";
    let mut add = |what: &str, written: &str, name: &str| {
        let written: String = show(written).chars().take(LONG).collect();
        let message = format!(
            "the {what} `{written}` looks like the known `{}` and is another",
            show(name)
        );
        found.add(Level::Deny, text.at, message, remedy);
    };
    if let Some((name, written)) = known.domain(text.text) {
        add("domain", &written, name);
    } else if !known.is_empty()
        && let Some((name, written)) = known.within(text.text)
    {
        add("name", &written, name);
    } else if !observed.is_empty()
        && let Some(name) = observed.whole(text.text)
    {
        add("name", text.text, name);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let known = Known::new(
            ["Acme Ltd", "PayPal", "Modern Art"],
            ["acme.example", "bücher.example"],
        );
        let observed = Known::new(["Globex Corporation", "0", "ok"], []);
        let mut found = Findings::default();
        let text = Text {
            at: "/x",
            text,
            field: None,
            origin: Origin::Agent,
        };
        look(text, &known, &observed, &mut found);
        found
            .into_problems()
            .into_iter()
            .map(|problem| problem.found)
            .collect()
    }

    #[rstest]
    #[case("Аcme Ltd", "Acme Ltd")] // Cyrillic
    #[case("please pay Acrne Ltd, today", "Acme Ltd")]
    #[case("ΑCME LTD", "Acme Ltd")] // Greek
    #[case("PayPaI", "PayPal")]
    #[case("Paypa1", "PayPal")]
    #[case("ask Modem Art", "Modern Art")]
    #[case("https://аcme.example/pay", "acme.example")]
    #[case("https://xn--cme-5cd.example/pay", "acme.example")]
    #[case("ann@acrne.example", "acme.example")]
    #[case("www.bϋcher.example", "bücher.example")]
    #[case("Globex Соrporation", "Globex Corporation")]
    fn i26_look_alikes_are_denied(#[case] text: &str, #[case] known: &str) {
        let found = found(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].contains(&format!("known `{known}`")), "{found:?}");
    }

    #[rstest]
    #[case("Acme Ltd")]
    #[case("acme ltd and ACME LTD and Acme  Ltd")]
    #[case("PayPal, paypal")]
    #[case("https://acme.example and https://shop.acme.example")]
    #[case("another.example")]
    #[case("globex corporation")]
    #[case("pay Globex Соrporation")] // within a sentence only the names of the settings are looked for
    #[case("O")]
    #[case("a modem")]
    #[case("Umbrella")]
    fn others_are_not(#[case] text: &str) {
        assert_eq!(found(text), [""; 0], "{text}");
    }

    #[test]
    fn hostile_texts_end() {
        for unit in ["Acme ", "a.", "acme.example ", "А ", "xn--a.", "."] {
            let text = unit.repeat((256 << 10) / unit.len());
            let _ = found(&text);
        }
    }
}

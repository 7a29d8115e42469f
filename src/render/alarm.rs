//! The issue that tells of an alarm. It mentions nobody, whatever the words hold. INVARIANT i26.

use serde::Serialize;

use super::{
    RenderError,
    engine::{Page, fill},
    markdown::Markdown,
    plain::{plain, shorten},
};
use crate::domain::{
    entry::Entry,
    ids::{AccountId, Digest, PullNumber},
};

/// The longest title, in characters; GitHub takes 256.
const TITLE: usize = 120;

/// What an alarm is about.
#[derive(Debug, Clone, Copy)]
pub struct AlarmFacts<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its digest.
    pub digest: Digest,
    /// The entry in one line, as the ledger's log has it.
    pub what: &'a str,
    /// Whose doing it is.
    pub account: Option<AccountId>,
    /// The proposal's pull request.
    pub pull: Option<PullNumber>,
}

#[derive(Serialize)]
struct Alarm {
    kind: String,
    what: Markdown,
    at: Markdown,
    seq: String,
    digest: String,
    proposal: Option<String>,
    pull: Option<Markdown>,
    account: Option<String>,
}

impl Page for Alarm {
    const NAME: &'static str = "alarm.md";
}

/// An alarm's title and text.
pub fn alarm(facts: &AlarmFacts<'_>) -> Result<(String, String), RenderError> {
    let AlarmFacts { entry, digest, .. } = facts;
    let text = fill(&Alarm {
        kind: entry.kind().to_string(),
        what: Markdown::fenced(facts.what),
        at: Markdown::time(entry.time),
        seq: entry.seq.0.to_string(),
        digest: digest.to_string(),
        proposal: entry.proposal.map(|id| id.to_string()),
        pull: facts.pull.map(Markdown::pull),
        account: facts.account.map(|account| account.to_string()),
    })?;
    Ok((shorten(&plain(&format!("alarm: {}", facts.what)), TITLE), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        entry::{Actor, Digests, Event, Incident, Role},
        ids::{Seq, Timestamp},
    };

    #[test]
    fn i26_an_alarm_s_issue_says_nothing_to_github() {
        let hostile = "@alice fixes #1 ``` <!-- x --> https://evil.example \u{202e}";
        let entry = Entry {
            seq: Seq(7),
            previous: None,
            time: Timestamp::from_millis(1_790_000_000_000),
            semantics: 1,
            actor: Actor {
                role: Role::Gate,
                key: format!("SHA256:{}", "a".repeat(43)).parse().unwrap(),
                person: None,
                agent: None,
            },
            proposal: None,
            digests: Digests::default(),
            event: Event::Incident(Incident {
                what: hostile.to_owned(),
                account: None,
                stray: None,
            }),
        };
        let (title, text) = alarm(&AlarmFacts {
            entry: &entry,
            digest: Digest::of(b"entry"),
            what: hostile,
            account: Some(AccountId(5)),
            pull: None,
        })
        .unwrap();
        assert_eq!(
            title,
            "alarm: \\u{40}alice fixes \\u{23}1 \\u{60}\\u{60}\\u{60} <!-- x --> https\\u{3a}//evil.example \\u{202e}"
        );
        let fence = "````";
        let block = format!(
            "{fence}text\n{}\n{fence}\n",
            hostile.replace('\u{202e}', "\\u{202e}")
        );
        assert!(text.contains(&block), "{text}");
        assert!(!text.replace(&block, "").contains(['@', '<', '#']), "{text}");
    }
}

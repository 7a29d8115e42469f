//! The message of a ledger commit: a line for people, the entries, and trailers that repeat what the entries say.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    audit::Flaw,
    entry::{Actor, Entry, Kind, MAX_ENTRY},
    ids::Digest,
    subject::subject,
};

/// The most entries one commit carries.
pub const MAX_GROUP: usize = 1_000;

/// An entry, the line it is written as, and that line's digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Lined {
    /// The entry.
    pub entry: Entry,
    /// Its canonical JSON.
    pub line: String,
    /// SHA-256 of the line's bytes.
    pub digest: Digest,
}

/// Writes the message of a commit that carries these entries; `subject` is used when it carries one alone.
pub fn write_message(entries: &[Lined], subject: &str) -> String {
    let group;
    let headline = match entries {
        [_] => subject,
        _ => {
            group = group_subject(entries.iter().map(|lined| &lined.entry));
            group.as_str()
        }
    };
    let mut text = format!("{headline}\n\n");
    for lined in entries {
        text.push_str(&lined.line);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&trailers(entries));
    text
}

/// Reads what [`write_message`] writes: the entries, and the subject when it stands over one entry alone.
pub(super) fn read_message(text: &str) -> Result<(Vec<Lined>, Option<String>), Flaw> {
    let shape = || Flaw::Entry("subject, entries and trailers are not where they are due".to_owned());
    let (subject, rest) = text.split_once("\n\n").ok_or_else(shape)?;
    let (lines, found) = rest.split_once("\n\n").ok_or_else(shape)?;
    let mut entries = Vec::new();
    for line in lines.split('\n') {
        if entries.len() >= MAX_GROUP {
            return Err(Flaw::Entry(format!(
                "more than {MAX_GROUP} entries in one commit"
            )));
        }
        entries.push(read_line(line)?);
    }
    if trailers(&entries) != found {
        return Err(Flaw::Message("trailers"));
    }
    match entries.as_slice() {
        [_] => Ok((entries, Some(subject.to_owned()))),
        _ if group_subject(entries.iter().map(|lined| &lined.entry)) == subject => Ok((entries, None)),
        _ => Err(Flaw::Message("subject")),
    }
}

fn read_line(line: &str) -> Result<Lined, Flaw> {
    if line.len() > MAX_ENTRY {
        return Err(Flaw::Entry("it is longer than 4 MiB".to_owned()));
    }
    let entry = Entry::read(line).map_err(|error| Flaw::Entry(error.to_string()))?;
    let again = entry.line().map_err(|error| Flaw::Entry(error.to_string()))?;
    if again != line {
        return Err(Flaw::Entry("it is not in canonical form (RFC 8785)".to_owned()));
    }
    Ok(Lined {
        digest: Digest::of(line.as_bytes()),
        line: again,
        entry,
    })
}

/// `executed: proposal 01K..` when the group tells how one proposal ended, else `recorded 3 entries: 1 finished, 2
/// received`.
fn group_subject<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut proposals = BTreeSet::new();
    let mut last = None;
    for entry in entries {
        *kinds.entry(entry.kind().as_str()).or_default() += 1;
        proposals.insert(entry.proposal);
        last = Some(entry);
    }
    if let (1, Some(ended)) = (
        proposals.len(),
        last.filter(|entry| entry.kind() == Kind::Finished),
    ) {
        return subject(ended, None);
    }
    let total: usize = kinds.values().sum();
    let list: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    format!("recorded {total} entries: {}", list.join(", "))
}

fn trailers(entries: &[Lined]) -> String {
    match entries {
        [] => String::new(),
        [Lined { entry, .. }] => {
            let about = entry
                .proposal
                .map_or_else(String::new, |id| format!("Proposal-Id: {id}\n"));
            let kind: Kind = entry.kind();
            format!("{about}Kind: {kind}\nActor: {}\n", actor(&entry.actor))
        }
        [Lined { entry, .. }, ..] => {
            format!(
                "Kind: group\nEntries: {}\nActor: {}\n",
                entries.len(),
                entry.actor.role
            )
        }
    }
}

/// `gate`, `gate, for person alice`, `gate, for agent crm`.
fn actor(actor: &Actor) -> String {
    let mut text = actor.role.to_string();
    if let Some(person) = &actor.person {
        text.push_str(&format!(", for person {person}"));
    }
    if let Some(agent) = &actor.agent {
        text.push_str(&format!(", for agent {agent}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::{
        entry::{Digests, Event, Incident, Role},
        ids::{Seq, Timestamp},
    };
    use super::*;

    fn lined(n: u64, what: String, person: bool) -> Lined {
        let entry = Entry {
            seq: Seq(n),
            previous: Some(Digest::of(b"previous")),
            time: Timestamp::from_millis(1_790_000_000_000),
            semantics: 1,
            actor: Actor {
                role: Role::Gate,
                key: format!("SHA256:{}", "a".repeat(43)).parse().unwrap(),
                person: person.then(|| "alice".parse().unwrap()),
                agent: None,
            },
            proposal: None,
            digests: Digests::default(),
            event: Event::Incident(Incident {
                what,
                account: None,
                stray: None,
            }),
        };
        let line = entry.line().unwrap();
        let digest = Digest::of(line.as_bytes());
        Lined { entry, line, digest }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            texts in proptest::collection::vec(any::<String>(), 1..5),
            person: bool,
            subject in "[^\\n]{1,80}",
        ) {
            let entries: Vec<Lined> = (1..).zip(texts).map(|(n, text)| lined(n, text, person)).collect();
            let text = write_message(&entries, &subject);
            let (read, alone) = read_message(&text).unwrap();
            prop_assert_eq!(alone, (read.len() == 1).then_some(subject));
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn reading_anything_at_all_does_not_stop_the_reader(text: String) {
            prop_assert!(read_message(&text).is_err());
        }
    }

    #[test]
    fn i28_a_message_says_what_its_entries_say_and_nothing_else() {
        let one = write_message(&[lined(1, "x".into(), true)], "incident: x");
        let refused = |text: String| read_message(&text).unwrap_err();
        let trailers = Flaw::Message("trailers");
        assert_eq!(refused(one.replace("person alice\n", "person bob\n")), trailers);
        assert_eq!(refused(one.replace("Kind: incident\n", "")), trailers);
        assert_eq!(refused(format!("{one}Kind: merged\n")), trailers);
        let two = write_message(&[lined(1, "x".into(), true), lined(2, "y".into(), true)], "");
        assert_eq!(
            refused(two.replacen("recorded 2", "recorded 3", 1)),
            Flaw::Message("subject")
        );
        let spaced = one.replacen("{\"actor\"", "{ \"actor\"", 1);
        assert!(matches!(refused(spaced), Flaw::Entry(_)));
    }
}

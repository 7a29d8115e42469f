//! `/delegate @bob until 2026-12-01`, as an owner writes it below a pull request.

use super::{CHANGING, Delegated, admissible};
use crate::domain::{
    calendar::Zone,
    comment::{Comment, reason, shown},
    ids::{ActionName, Timestamp},
    policy::{Account, Person, Policy},
};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/delegate";
/// Who stands in for whoever takes back what they said.
const NOBODY: &str = "nobody";
const USAGE: &str = "write `/delegate @login until 2026-12-01`, then `for payments.create` where it is for some actions \
                     only, then why; `/delegate nobody` takes it back";

/// The delegation that a comment's words ask for. A day is meant to its end, where the owner lives. Errors: why it can't
/// be recorded, and what to write instead.
pub(in crate::domain) fn asked<'a>(
    words: impl Iterator<Item = &'a str>,
    comment: Comment<'_>,
    policy: &Policy,
) -> Result<Delegated, String> {
    let said = read(words, comment, policy)?;
    said.permitted(policy)
        .and_then(|()| admissible(&said, Some(comment.by.name()), comment.at))
        .map_err(|error| error.to_string())?;
    Ok(said)
}

/// What a comment says of its writer's stand-in, whether or not it could be recorded now; none where it says nothing.
pub fn written(comment: Comment<'_>, policy: &Policy) -> Option<Delegated> {
    let mut words = comment.text.trim_start().lines().next()?.split_whitespace();
    (words.next()? == COMMAND).then(|| read(words, comment, policy).ok())?
}

/// Whether a comment says that nobody stands in for its writer any more.
pub fn takes_back(text: &str) -> bool {
    let mut words = text
        .trim_start()
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace();
    words.next() == Some(COMMAND) && words.next() == Some(NOBODY)
}

fn read<'a>(
    words: impl Iterator<Item = &'a str>,
    comment: Comment<'_>,
    policy: &Policy,
) -> Result<Delegated, String> {
    let mut words = words.peekable();
    let to = words.next().ok_or(USAGE)?;
    let mut said = Delegated {
        owner: comment.by.name().clone(),
        stand_in: None,
        from: comment.at,
        until: comment.at,
        actions: Vec::new(),
        reason: None,
        account: comment.account,
        comment: comment.id,
        delivery: comment.delivery.clone(),
    };
    if to != NOBODY {
        said.stand_in = Some(person(to, policy)?.name().clone());
        if words.next() != Some("until") {
            return Err(USAGE.into());
        }
        said.until = until(words.next().ok_or(USAGE)?, comment.by.time_zone())?;
        if words.next_if_eq(&"for").is_some() {
            said.actions = actions(words.next().ok_or(USAGE)?, policy)?;
        }
    }
    said.reason = reason(words)?;
    Ok(said)
}

/// By login, or by the name that the policy gives.
fn person<'p>(text: &str, policy: &'p Policy) -> Result<&'p Person, String> {
    let login = text.strip_prefix('@').unwrap_or(text);
    let named = |account: &Account| account.login().as_str().eq_ignore_ascii_case(login);
    let known = |person: &&Person| person.accounts().iter().any(named) || person.name().as_str() == text;
    policy.people().find(known).ok_or_else(|| {
        let text = shown(text);
        format!("`{text}` is nobody of people.yaml; name a person whom it has among your `stand_ins`")
    })
}

fn until(text: &str, zone: Option<&Zone>) -> Result<Timestamp, String> {
    let utc = Zone::utc();
    let end = zone.unwrap_or(&utc).end_of(text).or_else(|| text.parse().ok());
    end.ok_or_else(|| {
        let text = shown(text);
        format!("`{text}` is not a day; write it as in `2026-12-01`, or a time as in `2026-12-01T18:00:00Z`")
    })
}

fn actions(text: &str, policy: &Policy) -> Result<Vec<ActionName>, String> {
    let mut actions = Vec::new();
    for name in text.split(',') {
        let known = |name: &ActionName| policy.action(name).is_some() || name.as_str() == CHANGING;
        let known = name.parse().ok().filter(known);
        let known = known.ok_or_else(|| {
            let near = policy.nearest_action(name);
            let near = near
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            format!("unknown action `{}`{near}", shown(name))
        })?;
        if !actions.contains(&known) {
            actions.push(known);
        }
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::*;

    fn policy() -> Policy {
        let people = PEOPLE.replace(
            "  alice:\n",
            "  alice:\n    stand_ins: [bob, carol]\n    time_zone: Europe/Berlin\n",
        );
        Files {
            people,
            ..Files::default()
        }
        .policy()
    }

    /// By alice, on 2026-11-22.
    fn heard(text: &str) -> Result<Delegated, String> {
        let policy = policy();
        let comment = Comment {
            text,
            by: policy.person(&"alice".parse().unwrap()).unwrap(),
            id: crate::domain::ids::CommentId(1),
            account: ALICE,
            delivery: &"d-1".parse().unwrap(),
            at: at(0),
        };
        let line = text.trim_start().lines().next().unwrap();
        asked(line.split_whitespace().skip(1), comment, &policy)
    }

    fn refused(text: &str) -> String {
        heard(text).unwrap_err()
    }

    #[test]
    fn a_day_is_meant_to_its_end_where_the_owner_lives() {
        let said = heard("\n/delegate @BOB until 2026-12-01\nsee you").unwrap();
        assert_eq!((said.stand_in, said.reason), (Some("bob".parse().unwrap()), None));
        assert_eq!(said.until.to_string(), "2026-12-01T23:00:00.000Z");
        assert_eq!((said.from, said.account), (at(0), ALICE));
        let said = heard("/delegate carol until 2026-11-23T18:00:00Z for payments.create,crm.note on leave");
        let said = said.unwrap();
        assert_eq!(said.until.to_string(), "2026-11-23T18:00:00.000Z");
        assert_eq!(said.actions.len(), 2);
        assert_eq!(said.reason.as_deref(), Some("on leave"));
        let back = heard("/delegate nobody back early").unwrap();
        assert_eq!(
            (back.stand_in, back.reason.as_deref()),
            (None, Some("back early"))
        );
    }

    #[test]
    fn what_cannot_be_recorded_is_answered_with_the_next_step() {
        for text in [
            "/delegate",
            "/delegate @bob",
            "/delegate @bob 2026-12-01",
            "/delegate @bob until",
        ] {
            assert_eq!(refused(text), USAGE, "{text}");
        }
        assert_eq!(
            refused("/delegate @bobb until 2026-12-01"),
            "`@bobb` is nobody of people.yaml; name a person whom it has among your `stand_ins`"
        );
        assert_eq!(
            refused("/delegate @dave until 2026-12-01"),
            "people.yaml does not name this person among the `stand_ins` of the one who delegates; name one of them"
        );
        assert_eq!(
            refused("/delegate @bob until tomorrow"),
            "`tomorrow` is not a day; write it as in `2026-12-01`, or a time as in `2026-12-01T18:00:00Z`"
        );
        assert!(
            refused("/delegate @bob until 2026-11-21").starts_with("the delegation ends before it begins")
        );
        assert!(refused("/delegate @bob until 2027-12-01").starts_with("a delegation lasts 30 days at most"));
        assert_eq!(
            refused("/delegate @bob until 2026-12-01 for payments.creat"),
            "unknown action `payments.creat`; did you mean `payments.create`?"
        );
        let long = format!("/delegate @bob until 2026-12-01 {}", "x".repeat(201));
        assert!(refused(&long).starts_with("the reason has at most"));
        assert!(refused("/delegate @bob until 2026-12-01 a\u{202e}b").starts_with("the reason has at most"));
    }
}
